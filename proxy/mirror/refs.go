package mirror

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

const (
	viewExt    = ".json"
	fetchedExt = viewExt + ".fetched"
	tempPrefix = "tmp-"

	// maxViews is how many views are kept of those that were fetched from, and
	// of those that were not. Builds look at a repository every night.
	maxViews = 16

	// maxViewBytes bounds them as well: all are read for an answer, and there
	// are repositories with 100,000 refs, at some 100 bytes each.
	maxViewBytes = 32 << 20
)

// Record notes a view, unless it says nothing new.
func (r *Repository) Record(v View) error {
	if r.mirrors.program() == "" {
		return nil
	}
	if r.recorded(v) {
		return nil
	}
	root, err := r.create()
	if err != nil {
		return err
	}
	defer root.Close()
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	temp := viewsDir + "/" + tempPrefix + rand.Text()
	if err := root.WriteFile(temp, data, 0o644); err != nil {
		root.Remove(temp)
		return fmt.Errorf("record refs of %s: %w", r.name, err)
	}
	// Names sort by time, for two and a half centuries.
	name := fmt.Sprintf("%s/%019d-%s%s", viewsDir, max(0, v.Time.UnixNano()), rand.Text()[:8], viewExt)
	if err := root.Rename(temp, name); err != nil {
		root.Remove(temp)
		return fmt.Errorf("record refs of %s: %w", r.name, err)
	}
	prune(root)
	return nil
}

// recorded tells whether a view says nothing new.
func (r *Repository) recorded(v View) bool {
	dirs, err := r.layers()
	if err != nil {
		return false
	}
	defer dirs.close()
	all := dirs.generations()
	return len(all) > 0 && all[len(all)-1].agrees(v) && all[len(all)-1].holds(v)
}

// viewNames lists the views, the oldest first, and which were fetched from.
func viewNames(root *os.Root) (views []string, fetched map[string]bool) {
	fetched = map[string]bool{}
	for _, name := range names(root, viewsDir) {
		if view, ok := strings.CutSuffix(name, fetchedExt); ok {
			fetched[view+viewExt] = true
		} else if strings.HasSuffix(name, viewExt) && !strings.HasPrefix(name, tempPrefix) {
			views = append(views, name)
		}
	}
	slices.Sort(views)
	return views, fetched
}

func prune(root *os.Root) {
	views, fetched := viewNames(root)
	count, size := map[bool]int{}, map[bool]int64{}
	for _, name := range slices.Backward(views) {
		kind := fetched[name]
		count[kind]++
		if fi, err := root.Lstat(viewsDir + "/" + name); err == nil {
			size[kind] += fi.Size()
		}
		if count[kind] > maxViews || count[kind] > 1 && size[kind] > maxViewBytes {
			root.Remove(viewsDir + "/" + name)
			root.Remove(viewsDir + "/" + strings.TrimSuffix(name, viewExt) + fetchedExt)
		}
	}
}

func readView(root *os.Root, name string) (View, error) {
	var v View
	data, err := root.ReadFile(viewsDir + "/" + name)
	if err != nil {
		return v, err
	}
	if err := json.Unmarshal(data, &v); err != nil {
		return v, err
	}
	// The directory may have come from anywhere.
	if slices.ContainsFunc(v.Refs, func(r Ref) bool { return !r.sound() }) {
		return v, fmt.Errorf("%s is damaged", name)
	}
	return v, nil
}

// placedView is a view and the folder that it is in.
type placedView struct {
	name string
	root *os.Root
}

// viewNames is that of all layers: what was fetched from a view of one may be noted
// in another.
func (all layers) viewNames() (views []placedView, fetched map[string]bool) {
	fetched = map[string]bool{}
	for _, l := range all {
		names, marked := viewNames(l.Root)
		for _, name := range names {
			views = append(views, placedView{name, l.Root})
		}
		maps.Copy(fetched, marked)
	}
	slices.SortStableFunc(views, func(a, b placedView) int { return strings.Compare(a.name, b.name) })
	return views, fetched
}

func (all layers) generations() []*generation {
	placed, fetched := all.viewNames()
	var views []seenView
	for _, p := range placed {
		if v, err := readView(p.root, p.name); err == nil { // another one has pruned it, or it is damaged
			views = append(views, seenView{v, fetched[p.name]})
		}
	}
	return generations(views)
}

// markFetched notes on the newest view with something that a fetch asked for
// that it is here, in the folder that is written to.
func (r *Repository) markFetched(root *os.Root, q Question) error {
	all, err := r.layers()
	if err != nil {
		return err
	}
	defer all.close()
	views, fetched := all.viewNames()
	for _, p := range slices.Backward(views) {
		v, err := readView(p.root, p.name)
		if err != nil || !slices.ContainsFunc(v.Refs, q.wanted) {
			continue
		}
		if fetched[p.name] {
			return nil
		}
		return touch(root, viewsDir+"/"+strings.TrimSuffix(p.name, viewExt)+fetchedExt)
	}
	return nil
}

// refs finds the newest state that the question can be answered from: one that
// was fetched from, or with fetched unset, one that was seen alone.
func (r *Repository) refs(q Question, fetched bool) (*generation, error) {
	if r.mirrors.program() == "" {
		return nil, noGit()
	}
	all, err := r.layers()
	if err != nil {
		return nil, err
	}
	defer all.close()
	g := newest(all.generations(), fetched, q.Prefixes)
	if g == nil {
		return nil, &NoneError{Reason: "these refs were not asked for before"}
	}
	r.markUsed(all)
	return g, nil
}

// LsRefs answers an ls-refs with the newest state that was fetched from, or
// with fetched unset, the newest that was only looked at.
func (r *Repository) LsRefs(q Question, fetched bool) ([]byte, error) {
	g, err := r.refs(q, fetched)
	if err != nil {
		return nil, err
	}
	return formatLsRefs(q, g.list(q.Prefixes)), nil
}

// Advertisement answers GET info/refs in protocol 0 or 1 in the same way.
func (r *Repository) Advertisement(version int, fetched bool) ([]byte, error) {
	g, err := r.refs(Question{}, fetched)
	if err != nil {
		return nil, err
	}
	return formatAdvertisement(version, g.caps, g.list(nil)), nil
}

// Capabilities answers GET info/refs in protocol 2.
func (r *Repository) Capabilities(ctx context.Context) ([]byte, error) {
	g, err := r.refs(Question{}, true)
	if err != nil {
		return nil, err
	}
	size := sha1Size
	for _, ref := range g.refs {
		size = max(size, len(ref.OID))
	}
	return r.advertise(ctx, size)
}

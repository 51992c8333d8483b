package mirror

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// generation is a state of a repository's refs: consecutive views that do not
// contradict one another.
type generation struct {
	all      bool
	prefixes []string
	refs     map[string]Ref
	caps     string
	// fetched is set when somebody fetched after seeing it, so that its
	// objects, or those that were wanted, are there.
	fetched bool
}

// seenView is a view and whether objects of its refs were fetched.
type seenView struct {
	View
	fetched bool
}

// generations joins views, the oldest first.
func generations(views []seenView) []*generation {
	var all []*generation
	for _, v := range views {
		var last *generation
		if len(all) > 0 {
			last = all[len(all)-1]
		}
		if last == nil || !last.agrees(v.View) {
			g := &generation{refs: map[string]Ref{}}
			all = append(all, g)
			g.add(v)
			if last != nil {
				g.inheritHead(last)
			}
			continue
		}
		last.add(v)
	}
	return all
}

// covers tells whether all is known of the names that begin with a prefix.
func covers(all bool, prefixes []string, prefix string) bool {
	return all || slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(prefix, p) })
}

func (g *generation) covers(prefix string) bool { return covers(g.all, g.prefixes, prefix) }

// agrees tells whether a view can be of the same state.
func (g *generation) agrees(v View) bool {
	seen := 0
	for _, r := range v.Refs {
		known, ok := g.refs[r.Name]
		if ok && (known.OID != r.OID || known.Symref != r.Symref) || !ok && g.covers(r.Name) {
			return false
		}
		if ok && covers(v.All, v.Prefixes, r.Name) {
			seen++
		}
	}
	for name := range g.refs {
		if covers(v.All, v.Prefixes, name) {
			seen--
		}
	}
	return seen == 0
}

// holds tells whether a view that agrees says nothing new.
func (g *generation) holds(v View) bool {
	if v.All && !g.all || v.Capabilities != "" && g.caps != v.Capabilities {
		return false
	}
	return !slices.ContainsFunc(v.Prefixes, func(p string) bool { return !g.covers(p) })
}

func (g *generation) add(v seenView) {
	g.all = g.all || v.All
	g.prefixes = append(g.prefixes, v.Prefixes...)
	g.fetched = g.fetched || v.fetched
	g.caps = cmp.Or(v.Capabilities, g.caps)
	for _, r := range v.Refs {
		g.refs[r.Name] = r
	}
}

// inheritHead takes over which branch HEAD is: a fetch asks for the branches
// alone, and what HEAD stands for hardly ever changes.
func (g *generation) inheritHead(old *generation) {
	head, known := old.refs["HEAD"]
	branch, there := g.refs[head.Symref]
	if g.covers("HEAD") || !known || !there {
		return
	}
	g.prefixes = append(g.prefixes, "HEAD")
	g.refs["HEAD"] = Ref{Name: "HEAD", OID: branch.OID, Symref: head.Symref}
}

// knows tells whether an ls-refs with these prefixes can be answered honestly:
// what is left out must be what nobody would miss.
func (g *generation) knows(prefixes []string) bool {
	// As for a server that hides others: branches and tags are the repository
	// to whoever asks for all.
	ordinary := g.covers("refs/heads/") && g.covers("refs/tags/")
	if len(prefixes) == 0 {
		return ordinary
	}
	short := g.shortNames(prefixes)
	return !slices.ContainsFunc(prefixes, func(p string) bool {
		return !g.covers(p) && !(ordinary && p == "refs/") && !slices.Contains(short, p)
	})
}

// shortNames lists the names that git tries for short ones, as in "git fetch
// origin topic", where the short name is known (gitrevisions(7)).
func (g *generation) shortNames(prefixes []string) []string {
	var all []string
	for _, p := range prefixes {
		name, ok := strings.CutPrefix(p, "refs/heads/")
		if !ok || name == "" {
			continue
		}
		tried := []string{name, "refs/" + name, "refs/tags/" + name, "refs/heads/" + name,
			"refs/remotes/" + name, "refs/remotes/" + name + "/HEAD"}
		if slices.ContainsFunc(tried, func(n string) bool { _, ok := g.refs[n]; return ok }) {
			all = append(all, tried...)
		}
	}
	return all
}

// list is the refs with one of the prefixes, all without any, in git's order.
func (g *generation) list(prefixes []string) []Ref {
	var refs []Ref
	for _, name := range slices.Sorted(maps.Keys(g.refs)) { // "HEAD" sorts before "refs/"
		if covers(len(prefixes) == 0, prefixes, name) {
			refs = append(refs, g.refs[name])
		}
	}
	return refs
}

// newest finds the newest generation that can answer.
func newest(all []*generation, fetched bool, prefixes []string) *generation {
	for _, g := range slices.Backward(all) {
		if g.fetched == fetched && g.knows(prefixes) {
			return g
		}
	}
	return nil
}

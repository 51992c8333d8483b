package mirror

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// objects is where git finds the objects of a repository.
type objects struct {
	dir   string   // the first folder; the only one that is written to, if any is
	below []string // the others
}

// objects finds the folders with objects. One from which git would be led
// elsewhere is not used, and an error for who will write there.
func (r *Repository) objects(write bool) (objects, error) {
	all, err := r.layers()
	if err != nil {
		return objects{}, err
	}
	defer all.close()
	var from objects
	var wrong error
	for _, l := range all {
		if err := contained(l.Root); err != nil {
			if wrong = err; write && l.dir == r.mirrors.Dir {
				break
			}
			continue
		}
		dir, err := filepath.Abs(filepath.Join(l.dir, filepath.FromSlash(r.name), objectsDir))
		switch {
		case err != nil:
			return from, err
		case from.dir == "":
			from.dir = dir
		default:
			from.below = append(from.below, dir)
		}
	}
	if from.dir == "" {
		return from, &NoneError{"what was fetched of the repository is not as it should be", wrong}
	}
	return from, nil
}

// contained is an error when git would follow something out of the objects of a
// directory that was copied by hand: a list of other folders (gitrepository-layout(5),
// objects/info/alternates), or a link. package mirror makes packs alone.
func contained(root *os.Root) error {
	for _, dir := range []string{objectsDir, objectsDir + "/info", objectsDir + "/pack"} {
		fi, err := root.Lstat(dir)
		if err != nil && dir == objectsDir+"/info" {
			continue // copied without what is empty
		}
		if err != nil {
			return err
		}
		if !fi.IsDir() {
			return fmt.Errorf("%s is no folder", dir)
		}
		for _, name := range names(root, dir) {
			fi, err := root.Lstat(dir + "/" + name)
			if err != nil {
				continue // gone
			}
			folder := fi.IsDir() && (dir == objectsDir && (name == "info" || name == "pack") || strings.HasPrefix(name, "tmp_"))
			if name == "alternates" || !folder && !fi.Mode().IsRegular() {
				return fmt.Errorf("%s/%s leads elsewhere, or is none of a mirror's", dir, name)
			}
		}
	}
	return nil
}

// quotedList joins paths as git reads lists of them: separated as those of PATH are,
// and quoted as in C where that is needed (git(1), GIT_ALTERNATE_OBJECT_DIRECTORIES).
func quotedList(dirs []string) string {
	quoted := make([]string, len(dirs))
	for i, d := range dirs {
		if strings.ContainsRune(d, os.PathListSeparator) || strings.ContainsAny(d, "\"\n") || strings.HasPrefix(d, "#") {
			d = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(d) + `"`
		}
		quoted[i] = d
	}
	return strings.Join(quoted, string(os.PathListSeparator))
}

// useGrain is how exact it is known when a repository last answered.
const useGrain = 24 * time.Hour

// markUsed notes that a repository answers, by the time of a folder, where "cachex
// cache gc" finds it. In one that is only read nothing is noted.
func (r *Repository) markUsed(all layers) {
	if all[0].dir != r.mirrors.Dir {
		return
	}
	fi, err := all[0].Lstat(viewsDir)
	now := time.Now()
	if err == nil && fi.Mode().Type() == fs.ModeDir && now.Sub(fi.ModTime()).Abs() >= useGrain {
		_ = all[0].Chtimes(viewsDir, time.Time{}, now) // one that belongs to others is not marked
	}
}

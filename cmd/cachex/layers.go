package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"cachex/proxy/store"
)

// checkLayers finds the directory that is written to, and those below it. A cache
// that is not there yet has nothing to be read; one of --lower must be there, as a
// mount that is missing would otherwise be a build that fetches everything.
func (o *runOptions) checkLayers() error {
	if slices.Contains(o.lower, "") {
		return errors.New("--lower names no directory")
	}
	for i, dir := range o.lower {
		var err error
		if o.lower[i], err = filepath.Abs(dir); err != nil {
			return err
		}
	}
	if o.layer == "" {
		return nil
	}
	layer, err := filepath.Abs(o.layer)
	if err != nil {
		return err
	}
	if exists(o.cache) {
		o.lower = append([]string{o.cache}, o.lower...)
	}
	o.cache = layer
	return nil
}

// layersError is cacheError, or says why a directory can't be below the cache.
func (o *runOptions) layersError(err error) error {
	var at *fs.PathError
	if !errors.As(err, &at) || !slices.Contains(o.lower, at.Path) {
		return cacheError(o.cache, err)
	}
	hint := "leave it out, or name another one with --lower DIR"
	switch {
	case errors.Is(err, store.ErrNested):
		hint = "each of --cache, --layer and --lower is a directory of its own, and none is inside another"
	case errors.Is(err, fs.ErrNotExist):
		hint = "mount it or make it; or " + hint
	case errors.Is(err, fs.ErrPermission):
		hint = "whoever it belongs to can let you read it; or " + hint
	}
	return &exitError{fmt.Errorf("open the directory below, %s: %w", at.Path, at.Err), exitInternal, hint}
}

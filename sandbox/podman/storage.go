package podman

import (
	"os"
	"path/filepath"
	"strconv"

	"github.com/BurntSushi/toml"
)

// GraphRoot is the directory of podman's images and containers, by
// containers-storage.conf(5), for a user. Files that cannot be read count as empty.
func GraphRoot(getenv func(string) string, uid int) string {
	type conf struct {
		Storage struct {
			GraphRoot string `toml:"graphroot"`
			Rootless  string `toml:"rootless_storage_path"`
		}
	}
	var system, user conf
	for _, dir := range []string{"/usr/share/containers", "/etc/containers"} {
		_, _ = toml.DecodeFile(filepath.Join(dir, storageName), &system)
	}
	if own := getenv("CONTAINERS_STORAGE_CONF"); own != "" {
		_, _ = toml.DecodeFile(own, &user)
	} else if uid != 0 {
		_, _ = toml.DecodeFile(filepath.Join(userConf(getenv), storageName), &user)
	}
	if uid == 0 {
		return firstOf(user.Storage.GraphRoot, system.Storage.GraphRoot, "/var/lib/containers/storage")
	}
	expanded := os.Expand(firstOf(user.Storage.Rootless, system.Storage.Rootless), func(name string) string {
		if name == "UID" {
			return strconv.Itoa(uid)
		}
		return getenv(name)
	})
	data := firstOf(getenv("XDG_DATA_HOME"), filepath.Join(getenv("HOME"), ".local/share"))
	return firstOf(expanded, user.Storage.GraphRoot, filepath.Join(data, "containers/storage"))
}

const storageName = "storage.conf"

// firstOf is the first that is not empty.
func firstOf(all ...string) string {
	for _, s := range all {
		if s != "" {
			return s
		}
	}
	return ""
}

package sandbox

// Where a container's first process finds what cachex gives it: on the tmpfs
// that every runtime mounts on /dev, so that the place for it is in no layer of
// the container. It is gone before the command starts.
const (
	ContainerDir  = "/dev/.cachex"
	ContainerInit = ContainerDir + "/cachex" // this program
	ContainerLink = ContainerDir + "/link"   // the socket that Adopt gets a connection of
)

// Container is what a command needs in a container beside its Config, whose
// Path, Env and Trees are not used: they are the container's to tell.
type Container struct {
	// User is NAME or a number, with :GROUP or :NUMBER; "" is root.
	User string
	// Dir is the working directory. It must exist in the container.
	Dir string
	// Data is handed to the function that ContainerMain was given.
	Data []byte
	// Terminal gives the command a terminal of the container's in place of the
	// streams that are terminals, if Stdin is one.
	Terminal bool
}

// Prepare says in a container which files the command must see in place of what
// is there, and its environment, given the container's own.
type Prepare func(data []byte, env []string) (trees []Tree, whole []string, err error)

package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"

	"cachex/sandbox"
)

// --sandbox=env: the command is told of the proxy by its environment alone.

// proxyUser is the user name in the proxy's URL; the password is the run's secret.
const proxyUser = "cachex"

// prepareEnv makes the environment.
func (s *session) prepareEnv(user *sandbox.User) error {
	var err error
	if s.box, err = sandbox.NewEnv(context.Background(), user, s.fell != nil); err != nil {
		return err
	}
	return s.makeScratch()
}

// makeScratch makes the directory of the files that variables name.
func (s *session) makeScratch() error {
	err := inTemp(func(dir string) (err error) {
		if s.scratch, err = os.MkdirTemp(dir, "cachex-env-"); err != nil {
			return fmt.Errorf("make a directory for certificates: %w", err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	// Programs that the command starts as other users read it too.
	return os.Chmod(s.scratch, 0o755)
}

// trustByFiles is for commands to which no private trust directories can be shown.
func (s *session) trustByFiles() error {
	trust, err := s.authority.TrustFiles(s.scratch, s.scratch, os.Environ())
	if err != nil {
		return fmt.Errorf("prepare the trust stores: %w", err)
	}
	s.trust = trust
	return nil
}

// explicit makes the proxy one that clients are told of, and that lets nobody
// else's in: loopback is for all users of a machine.
func (s *session) explicit() error {
	if err := s.trustByFiles(); err != nil {
		return err
	}
	s.proxy.Secret = rand.Text()
	s.proxy.Trusted = func(c net.Conn) bool { return s.box.Own(c) }
	s.proxy.Destination = listenerAddress
	s.proxy.Name, s.proxy.Local = nil, nil
	s.trust.Env = withProxy(s.trust.Env, os.Environ(), &url.URL{
		Scheme: "http", Host: s.box.Listeners().TCP[0].Addr().String(), User: url.UserPassword(proxyUser, s.proxy.Secret),
	})
	return nil
}

// listenerAddress is where a connection arrived: it was going nowhere else.
func listenerAddress(c net.Conn) (netip.AddrPort, error) {
	a, ok := c.LocalAddr().(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}, errors.New("not TCP")
	}
	return a.AddrPort(), nil
}

// withProxy adds the variables that tell programs of a proxy. What the user has of
// them is cachex's own affair: it goes through that proxy, or around it.
func withProxy(trust, user []string, proxy *url.URL) []string {
	direct := []string{"localhost", "127.0.0.1", "::1"} // the command's own servers
	env := slices.Clone(trust)
	for _, name := range proxyVariables[:3] { // of ftp there is no proxy here
		env = append(env, name+"="+proxy.String(), strings.ToUpper(name)+"="+proxy.String())
	}
	env = append(env, "no_proxy="+strings.Join(direct, ","), "NO_PROXY="+strings.Join(direct, ","))
	password, _ := proxy.User.Password()
	env = append(env,
		"NODE_USE_ENV_PROXY=1",                                                // Node's own fetch, from 24 on
		"YARN_HTTP_PROXY="+proxy.String(), "YARN_HTTPS_PROXY="+proxy.String(), // yarn from 2 on reads no others
		"CLOUDSDK_PROXY_TYPE=http", "CLOUDSDK_PROXY_ADDRESS="+proxy.Hostname(), "CLOUDSDK_PROXY_PORT="+proxy.Port(),
		"CLOUDSDK_PROXY_USERNAME="+proxy.User.Username(), "CLOUDSDK_PROXY_PASSWORD="+password,
	)
	return javaProxy(env, user, proxy, direct)
}

// javaProxy gives JVMs the proxy in their options, for they read no variables
// (java.net, Networking Properties). They show no password to a proxy in this
// way, and are let in by their user.
func javaProxy(env, user []string, proxy *url.URL, direct []string) []string {
	options := fmt.Sprintf("-Dhttp.proxyHost=%[1]s -Dhttp.proxyPort=%[2]s -Dhttps.proxyHost=%[1]s -Dhttps.proxyPort=%[2]s "+
		"-Dhttp.nonProxyHosts=%[3]s -Daether.connector.http.useSystemProperties=true",
		proxy.Hostname(), proxy.Port(), strings.Join(direct, "|"))
	const name = "JAVA_TOOL_OPTIONS="
	for i, kv := range env {
		if v, ok := strings.CutPrefix(kv, name); ok {
			env[i] = name + v + " " + options
			return env
		}
	}
	for _, kv := range slices.Backward(user) {
		if v, ok := strings.CutPrefix(kv, name); ok {
			return append(env, name+v+" "+options)
		}
	}
	return append(env, name+options)
}

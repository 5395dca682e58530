package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
)

// inMemoryPort is a port of the in-memory provider that cannot be configured. The API servers of workload clusters get ports from
// 20000.
const inMemoryPort = 19000

// requireInMemoryPort returns an error if the in-memory provider could not listen.
func requireInMemoryPort() error {
	listener, err := net.Listen("tcp", fmt.Sprintf(":%d", inMemoryPort))
	if err != nil {
		return fmt.Errorf("port %d is in use, probably by another lab: a network namespace can have one. Stop the other lab, "+
			"or run this command in a namespace of its own: unshare --net sh -c 'ip link set lo up; …' (%w)", inMemoryPort, err)
	}
	return listener.Close()
}

const lockName = "lab.lock"

// prepareData creates the folder or empties it. It returns a function that lets another lab use the folder.
func prepareData(folder string) (func(), error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	lockPath := filepath.Join(folder, lockName)
	if _, err := os.Stat(lockPath); len(entries) > 0 && errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%s has files that are not of a lab, and the lab would delete them: set CLUSTER_API_DATA to an empty or new folder", folder)
	}
	lock, err := os.OpenFile(lockPath, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = lock.Close()
		return nil, fmt.Errorf("another lab uses %s: stop it, or set CLUSTER_API_DATA to another folder (%w)", folder, err)
	}
	for _, entry := range entries {
		if entry.Name() == lockName {
			continue
		}
		if err := os.RemoveAll(filepath.Join(folder, entry.Name())); err != nil {
			_ = lock.Close()
			return nil, err
		}
	}
	return func() { _ = lock.Close() }, nil
}

// freePorts returns ports of 127.0.0.1 on which no process listens.
func freePorts(count int) ([]int, error) {
	var ports []int
	for range count {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer listener.Close()
		ports = append(ports, listener.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

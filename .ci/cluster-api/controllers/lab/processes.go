package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// process is a running program of the lab.
type process struct {
	name      string
	arguments []string
	command   *exec.Cmd
	ended     chan struct{} // closed when the process has ended
	expected  atomic.Bool   // the lab ends it
}

// processes are the running programs of the lab. Only the main goroutine calls the methods.
type processes struct {
	programs, logs string
	running        []*process
	// failures has the names of programs that ended unexpectedly.
	failures chan string
}

func newProcesses(programs, logs string) *processes {
	return &processes{programs: programs, logs: logs, failures: make(chan string, 64)}
}

func (p *processes) logOf(name string) string { return filepath.Join(p.logs, name+".log") }

// start runs a program with a log.
func (p *processes) start(name string, arguments ...string) error {
	started := &process{name: name, arguments: arguments}
	if err := p.run(started); err != nil {
		return err
	}
	p.running = append(p.running, started)
	return nil
}

func (p *processes) run(one *process) error {
	log, err := os.OpenFile(p.logOf(one.name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	one.command = exec.Command(filepath.Join(p.programs, one.name), one.arguments...)
	one.command.Stdout, one.command.Stderr = log, log
	// The in-memory provider serves the workload clusters at POD_IP.
	one.command.Env = append(os.Environ(), "POD_IP=127.0.0.1")
	// A terminal sends its signals only to the lab, which stops the programs in order.
	one.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := one.command.Start(); err != nil {
		return err
	}
	command, ended := one.command, make(chan struct{})
	one.ended = ended
	one.expected.Store(false)
	go func() {
		_ = command.Wait()
		if !one.expected.Load() {
			p.failures <- one.name
		}
		close(ended)
	}()
	return nil
}

// failure describes the end of a program, with the end of its log.
func (p *processes) failure(name string) error {
	text, err := os.ReadFile(p.logOf(name))
	if err != nil {
		return err
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	last := lines[max(0, len(lines)-20):]
	return fmt.Errorf("%s ended unexpectedly. The end of %s:\n%s", name, p.logOf(name), strings.Join(last, "\n"))
}

// restart kills a program, and starts it again with the same arguments after a pause.
func (p *processes) restart(ctx context.Context, name string, pause time.Duration) error {
	for _, one := range p.running {
		if one.name != name {
			continue
		}
		one.expected.Store(true)
		_ = one.command.Process.Kill()
		<-one.ended
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
			return p.run(one)
		}
	}
	return fmt.Errorf("%s does not run", name)
}

// stop ends all programs in the reverse order of their start, so that the database is the last.
func (p *processes) stop() {
	for at := len(p.running) - 1; at >= 0; at-- {
		one := p.running[at]
		one.expected.Store(true)
		_ = one.command.Process.Signal(syscall.SIGTERM)
		select {
		case <-one.ended:
		case <-time.After(2 * time.Second):
			_ = one.command.Process.Kill()
			<-one.ended
		}
	}
}

// until waits until a condition is true, for three minutes at most.
func (p *processes) until(ctx context.Context, condition string, isTrue func() bool) error {
	const limit = 3 * time.Minute
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); {
		if isTrue() {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case name := <-p.failures:
			return p.failure(name)
		case <-time.After(100 * time.Millisecond):
		}
	}
	return fmt.Errorf("not after %s: %s; the logs are in %s", limit, condition, p.logs)
}

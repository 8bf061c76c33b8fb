// Command pause holds a pod's namespaces open: it waits for the signal to end, and reaps what is left to it.
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGCHLD)
	for received := range signals {
		if received != syscall.SIGCHLD {
			return
		}
		for {
			child, _ := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
			if child <= 0 {
				break
			}
		}
	}
}

// A server of the MongoDB protocol for the tests: FerretDB 1 as a library, over SQLite or PostgreSQL.
//
//	mongo-for-tests -listen 127.0.0.1:27017 -sqlite file:/a/folder/
//	mongo-for-tests -listen 127.0.0.1:27017 -postgres postgres://user@127.0.0.1:5432/database
//
// It serves until SIGTERM or SIGINT. FerretDB's own command is not used: built as a dependency it ends at its
// start, since the file with its version is part of a release only.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/FerretDB/FerretDB/ferretdb"
)

func main() {
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve() error {
	address := flag.String("listen", "127.0.0.1:27017", "`host:port` to listen on")
	certificate := flag.String("certificate", "", "serve TLS with the certificate and the key in this `file`")
	folder := flag.String("sqlite", "", "keep the data in SQLite files: `file:/a/folder/`")
	postgres := flag.String("postgres", "", "keep the data in PostgreSQL: `url` of a database")
	flag.Parse()
	if (*folder == "") == (*postgres == "") {
		return fmt.Errorf("exactly one of -sqlite and -postgres is needed")
	}
	private, err := os.MkdirTemp("", "mongo-for-tests-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(private)
	socket := filepath.Join(private, "socket")
	config := ferretdb.Config{
		Listener:      ferretdb.ListenerConfig{Unix: socket},
		Logger:        slog.New(slog.NewTextHandler(io.Discard, nil)),
		Handler:       "sqlite",
		SQLiteURL:     *folder,
		PostgreSQLURL: *postgres,
	}
	if *postgres != "" {
		config.Handler = "postgresql"
	}
	server, err := ferretdb.New(&config)
	if err != nil {
		return err
	}
	door, err := listen(*address, *certificate)
	if err != nil {
		return err
	}
	stopped, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer cancel()
	go admit(door, socket)
	return server.Run(stopped)
}

// A runtime that answers a message "N:US" with N chunks, one every US microseconds or all at once.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"
	_ "google.golang.org/grpc/encoding/gzip" // answers compressed where the caller compresses

	"yardstick/wire"
)

const text = "The quick brown fox jumps over the lazy"

type service struct {
	wire.UnimplementedRuntimeServiceServer
}

func (service) Health(context.Context, *wire.HealthRequest) (*wire.HealthResponse, error) {
	return &wire.HealthResponse{Healthy: true, Status: "ready", ContractVersion: "1.3.0"}, nil
}

func (service) Converse(stream grpc.BidiStreamingServer[wire.ClientMessage, wire.ServerMessage]) error {
	for {
		message, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := answer(stream, message.Content); err != nil {
			return err
		}
	}
}

func answer(stream grpc.BidiStreamingServer[wire.ClientMessage, wire.ServerMessage], content string) error {
	count, pause := parse(content)
	next := time.Now()
	for number := range count {
		if pause > 0 && number > 0 {
			next = next.Add(pause)
			time.Sleep(time.Until(next))
		}
		chunk := &wire.ServerMessage{Message: &wire.ServerMessage_Chunk{Chunk: &wire.Chunk{Content: text}}}
		if err := stream.Send(chunk); err != nil {
			return err
		}
	}
	usage := &wire.Usage{InputTokens: 10, OutputTokens: int32(count)}
	return stream.Send(&wire.ServerMessage{Message: &wire.ServerMessage_Done{Done: &wire.Done{Usage: usage}}})
}

func parse(content string) (int, time.Duration) {
	first, second, _ := strings.Cut(content, ":")
	count, _ := strconv.Atoi(first)
	us, _ := strconv.Atoi(second)
	return count, time.Duration(us) * time.Microsecond
}

func main() {
	address := flag.String("address", "127.0.0.1:0", "where to listen")
	flag.Parse()
	listener, err := net.Listen("tcp", *address)
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer()
	wire.RegisterRuntimeServiceServer(server, service{})
	fmt.Println("up")
	log.Fatal(server.Serve(listener))
}

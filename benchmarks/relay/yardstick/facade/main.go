// A facade that relays: WebSocket on one side, a Converse stream on the other.
//
// The shape "lean" does no more than that: a goroutine for each connection, one stream for each
// connection. The shape "omnia" does it as the system does that this project is modelled on: buffers
// of 64 KiB, a stream and a goroutine for each message, another goroutine that reads the stream, a
// timer that is reset for each chunk, a deadline for each write, pings. With -gzip it asks for
// compression as well.
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"

	"yardstick/wire"
)

type clientFrame struct {
	Type      string            `json:"type"`
	SessionID string            `json:"session_id,omitempty"`
	Content   string            `json:"content,omitempty"`
	Metadata  map[string]string `json:"metadata,omitempty"`
}

type serverFrame struct {
	Type      string    `json:"type"`
	SessionID string    `json:"session_id,omitempty"`
	Content   string    `json:"content,omitempty"`
	Timestamp time.Time `json:"timestamp"`
}

type facade struct {
	client   wire.RuntimeServiceClient
	upgrader websocket.Upgrader
	options  []grpc.CallOption
	omnia    bool
}

type connection struct {
	facade  *facade
	socket  *websocket.Conn
	writing sync.Mutex
	session string
}

type stream = grpc.BidiStreamingClient[wire.ClientMessage, wire.ServerMessage]

const (
	silence  = 120 * time.Second
	ping     = 30 * time.Second
	pong     = 60 * time.Second
	writable = 10 * time.Second
)

func (c *connection) send(frame serverFrame) error {
	frame.SessionID, frame.Timestamp = c.session, time.Now()
	c.writing.Lock()
	defer c.writing.Unlock()
	if c.facade.omnia {
		_ = c.socket.SetWriteDeadline(time.Now().Add(writable))
		defer func() { _ = c.socket.SetWriteDeadline(time.Time{}) }()
	}
	return c.socket.WriteJSON(frame)
}

// show sends what a message of the runtime says, and tells whether the turn is over.
func (c *connection) show(message *wire.ServerMessage) (bool, error) {
	switch said := message.Message.(type) {
	case *wire.ServerMessage_Chunk:
		return false, c.send(serverFrame{Type: "chunk", Content: said.Chunk.Content})
	case *wire.ServerMessage_Done:
		return true, c.send(serverFrame{Type: "done", Content: said.Done.FinalContent})
	case *wire.ServerMessage_Error:
		return true, c.send(serverFrame{Type: "error", Content: said.Error.Message})
	}
	return false, nil
}

func (c *connection) ask(s stream, frame clientFrame) error {
	return s.Send(&wire.ClientMessage{SessionId: c.session, Content: frame.Content, Metadata: frame.Metadata})
}

// lean answers every message of a connection on one stream.
func (c *connection) lean(ctx context.Context) error {
	s, err := c.facade.client.Converse(ctx, c.facade.options...)
	if err != nil {
		return err
	}
	for {
		frame, err := c.read()
		if err != nil {
			return err
		}
		if err := c.ask(s, frame); err != nil {
			return err
		}
		for over := false; !over; {
			message, err := s.Recv()
			if err != nil {
				return err
			}
			if over, err = c.show(message); err != nil {
				return err
			}
		}
	}
}

// omnia answers each message on a stream and in a goroutine of its own.
func (c *connection) omnia(ctx context.Context) error {
	c.keepAlive(ctx)
	inFlight := make(chan struct{}, 1)
	for {
		frame, err := c.read()
		if err != nil {
			return err
		}
		_ = c.socket.SetReadDeadline(time.Now().Add(pong))
		inFlight <- struct{}{}
		go func() {
			if err := c.turn(ctx, frame); err != nil {
				_ = c.send(serverFrame{Type: "error", Content: err.Error()})
			}
			<-inFlight
		}()
	}
}

type received struct {
	message *wire.ServerMessage
	err     error
}

func (c *connection) turn(ctx context.Context, frame clientFrame) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s, err := c.facade.client.Converse(ctx, c.facade.options...)
	if err != nil {
		return err
	}
	defer func() { _ = s.CloseSend() }()
	if err := c.ask(s, frame); err != nil {
		return err
	}
	incoming, over := make(chan received, 1), make(chan struct{})
	defer close(over)
	go func() {
		for {
			message, err := s.Recv()
			select {
			case incoming <- received{message, err}:
			case <-over:
				return
			}
			if err != nil {
				return
			}
		}
	}()
	timer := time.NewTimer(silence)
	defer timer.Stop()
	for {
		select {
		case one := <-incoming:
			if errors.Is(one.err, io.EOF) {
				return nil
			}
			if one.err != nil {
				return one.err
			}
			if !timer.Stop() {
				select {
				case <-timer.C:
				default:
				}
			}
			timer.Reset(silence)
			if done, err := c.show(one.message); done || err != nil {
				return err
			}
		case <-timer.C:
			return errors.New("the runtime said nothing")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (c *connection) keepAlive(ctx context.Context) {
	_ = c.socket.SetReadDeadline(time.Now().Add(pong))
	c.socket.SetPongHandler(func(string) error { return c.socket.SetReadDeadline(time.Now().Add(pong)) })
	go func() {
		ticker := time.NewTicker(ping)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				c.writing.Lock()
				_ = c.socket.WriteMessage(websocket.PingMessage, nil)
				c.writing.Unlock()
			}
		}
	}()
}

func (c *connection) read() (clientFrame, error) {
	var frame clientFrame
	_, data, err := c.socket.ReadMessage()
	if err == nil {
		err = json.Unmarshal(data, &frame)
	}
	return frame, err
}

func (f *facade) serve(w http.ResponseWriter, r *http.Request) {
	socket, err := f.upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer socket.Close()
	socket.SetReadLimit(16 << 20)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c := &connection{facade: f, socket: socket, session: session()}
	if err := c.send(serverFrame{Type: "connected"}); err != nil {
		return
	}
	if f.omnia {
		_ = c.omnia(ctx)
	} else {
		_ = c.lean(ctx)
	}
}

func session() string {
	id := make([]byte, 16)
	_, _ = rand.Read(id)
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}

func main() {
	address := flag.String("address", "127.0.0.1:0", "where to listen")
	runtime := flag.String("runtime", "", "where the runtime listens")
	shape := flag.String("shape", "lean", "lean or omnia")
	compress := flag.Bool("gzip", false, "ask for compression")
	flag.Parse()
	channel, err := grpc.NewClient(*runtime, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	f := &facade{client: wire.NewRuntimeServiceClient(channel), omnia: *shape == "omnia"}
	buffers := 4096
	if f.omnia {
		buffers = 64 << 10
	}
	f.upgrader = websocket.Upgrader{ReadBufferSize: buffers, WriteBufferSize: buffers}
	if *compress {
		f.options = append(f.options, grpc.UseCompressor(gzip.Name))
	}
	http.HandleFunc("/ws", f.serve)
	fmt.Println("up")
	log.Fatal(http.ListenAndServe(*address, nil))
}

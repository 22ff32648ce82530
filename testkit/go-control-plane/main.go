// A control plane made with go-control-plane, driven by lines of JSON: what it is to serve comes on standard input, what
// clients ask and answer goes to standard output.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"sync"

	clusters "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpoints "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listeners "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routes "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	cds "github.com/envoyproxy/go-control-plane/envoy/service/cluster/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	eds "github.com/envoyproxy/go-control-plane/envoy/service/endpoint/v3"
	lds "github.com/envoyproxy/go-control-plane/envoy/service/listener/v3"
	rds "github.com/envoyproxy/go-control-plane/envoy/service/route/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"github.com/envoyproxy/go-control-plane/pkg/server/v3"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// A line of input: a snapshot for every client.
type snapshot struct {
	Version string `json:"version"`
	// These resources take the place of those of their names; all others stay.
	Patch     bool              `json:"patch,omitempty"`
	Clusters  []json.RawMessage `json:"clusters"`
	Endpoints []json.RawMessage `json:"endpoints"`
	Listeners []json.RawMessage `json:"listeners"`
	Routes    []json.RawMessage `json:"routes"`
}

// A line of output.
type event struct {
	Event   string   `json:"event"`
	Port    int      `json:"port,omitempty"`
	Node    string   `json:"node,omitempty"`
	Type    string   `json:"type,omitempty"`
	Version string   `json:"version,omitempty"`
	Nonce   string   `json:"nonce,omitempty"`
	Error   string   `json:"error,omitempty"`
	Names   []string `json:"names,omitempty"`
	// Of delta: what the client has when it comes back.
	Initial map[string]string `json:"initial,omitempty"`
}

var output sync.Mutex

func say(what event) {
	output.Lock()
	defer output.Unlock()
	_ = json.NewEncoder(os.Stdout).Encode(what)
}

// One snapshot for all, whoever asks.
type everybody struct{}

func (everybody) ID(*core.Node) string { return "everybody" }

func main() {
	port := flag.Int("port", 0, "port to listen on")
	aggregated := flag.Bool("ads", true, "keep the order of ADS")
	quiet := flag.Bool("quiet", false, "do not say what clients ask")
	flag.Parse()
	snapshots := cache.NewSnapshotCache(*aggregated, everybody{}, nil)
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", *port))
	check(err)
	xds := server.NewServer(context.Background(), snapshots, callbacks(*quiet))
	services := grpc.NewServer()
	discovery.RegisterAggregatedDiscoveryServiceServer(services, xds)
	cds.RegisterClusterDiscoveryServiceServer(services, xds)
	eds.RegisterEndpointDiscoveryServiceServer(services, xds)
	lds.RegisterListenerDiscoveryServiceServer(services, xds)
	rds.RegisterRouteDiscoveryServiceServer(services, xds)
	go func() { check(services.Serve(listener)) }()
	say(event{Event: "listening", Port: listener.Addr().(*net.TCPAddr).Port})
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 256<<20)
	var last cache.ResourceSnapshot
	for lines.Scan() {
		var next snapshot
		check(json.Unmarshal(lines.Bytes(), &next))
		if !next.Patch {
			last = nil
		}
		built := build(next, last)
		last = built
		check(snapshots.SetSnapshot(context.Background(), "everybody", built))
		say(event{Event: "set", Version: next.Version})
	}
}

func build(from snapshot, last cache.ResourceSnapshot) *cache.Snapshot {
	built, err := cache.NewSnapshot(from.Version, map[resource.Type][]types.Resource{
		resource.ClusterType:  read(from.Clusters, before(last, resource.ClusterType), func() proto.Message { return &clusters.Cluster{} }),
		resource.EndpointType: read(from.Endpoints, before(last, resource.EndpointType), func() proto.Message { return &endpoints.ClusterLoadAssignment{} }),
		resource.ListenerType: read(from.Listeners, before(last, resource.ListenerType), func() proto.Message { return &listeners.Listener{} }),
		resource.RouteType:    read(from.Routes, before(last, resource.RouteType), func() proto.Message { return &routes.RouteConfiguration{} }),
	})
	check(err)
	return built
}

func before(last cache.ResourceSnapshot, kind resource.Type) map[string]types.Resource {
	if last == nil {
		return nil
	}
	return last.GetResources(kind)
}

func read(from []json.RawMessage, kept map[string]types.Resource, message func() proto.Message) []types.Resource {
	resources := make([]types.Resource, 0, len(from)+len(kept))
	named := make(map[string]bool, len(from))
	for _, text := range from {
		one := message()
		decode(text, one)
		named[cache.GetResourceName(one)] = true
		resources = append(resources, one)
	}
	for name, one := range kept {
		if !named[name] {
			resources = append(resources, one)
		}
	}
	return resources
}

// An object is protojson; a string is the encoded message in base64, whose extensions need not be linked here.
func decode(text json.RawMessage, into proto.Message) {
	if text[0] != '"' {
		check(protojson.Unmarshal(text, into))
		return
	}
	var encoded []byte
	check(json.Unmarshal(text, &encoded))
	check(proto.Unmarshal(encoded, into))
}

func callbacks(quiet bool) server.Callbacks {
	if quiet {
		return server.CallbackFuncs{}
	}
	return server.CallbackFuncs{
		StreamRequestFunc: func(_ int64, request *discovery.DiscoveryRequest) error {
			say(event{
				Event: "request", Node: request.GetNode().GetId(), Type: request.GetTypeUrl(),
				Version: request.GetVersionInfo(), Nonce: request.GetResponseNonce(),
				Error: request.GetErrorDetail().GetMessage(), Names: request.GetResourceNames(),
			})
			return nil
		},
		StreamDeltaRequestFunc: func(_ int64, request *discovery.DeltaDiscoveryRequest) error {
			say(event{
				Event: "request", Node: request.GetNode().GetId(), Type: request.GetTypeUrl(),
				Nonce: request.GetResponseNonce(), Error: request.GetErrorDetail().GetMessage(),
				Names: request.GetResourceNamesSubscribe(), Initial: request.GetInitialResourceVersions(),
			})
			return nil
		},
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"sync"
	"sync/atomic"
)

var (
	parameter = regexp.MustCompile(`(\w+)="([^"]*)"`)
	nextLink  = regexp.MustCompile(`<([^>]+)>; rel="next"`)
)

type statusError struct {
	code int
	path string
}

func (err statusError) Error() string { return fmt.Sprintf("%s: HTTP %d", err.path, err.code) }

// client sends requests with the credentials at once, or with a token for each scope.
type client struct {
	exchanges   atomic.Int64
	http        *http.Client
	base        *url.URL
	credentials string
	realm       *url.URL // nil where the registry asks for no tokens
	bodies      sync.Pool
}

func newClient(base *url.URL, credentials, caFile string, concurrency int) (*client, error) {
	trusted := &tls.Config{}
	if caFile != "" {
		pem, err := os.ReadFile(caFile)
		if err != nil {
			return nil, err
		}
		trusted.RootCAs = x509.NewCertPool()
		if !trusted.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s: no certificate", caFile)
		}
	}
	transport := &http.Transport{
		MaxIdleConns: concurrency, MaxIdleConnsPerHost: concurrency, MaxConnsPerHost: concurrency,
		TLSClientConfig: trusted, DisableCompression: true,
	}
	return &client{
		http: &http.Client{Transport: transport}, base: base, credentials: credentials,
		bodies: sync.Pool{New: func() any { return new(bytes.Buffer) }},
	}, nil
}

// challenge asks the registry whether it wants tokens, and whose.
func (client *client) challenge() error {
	header, err := client.get(client.base.ResolveReference(&url.URL{Path: "/v2/"}), client.credentials, nil)
	var status statusError
	if !errors.As(err, &status) || status.code != http.StatusUnauthorized {
		return err
	}
	told := map[string]string{}
	for _, pair := range parameter.FindAllStringSubmatch(header.Get("WWW-Authenticate"), -1) {
		told[pair[1]] = pair[2]
	}
	realm, err := url.Parse(told["realm"])
	if err != nil || told["realm"] == "" {
		return fmt.Errorf("no realm in the challenge %q", header.Get("WWW-Authenticate"))
	}
	realm.RawQuery = url.Values{"service": {told["service"]}}.Encode()
	client.realm = realm
	return nil
}

// authorization is the header's value for requests in a scope.
func (client *client) authorization(scope string) (string, error) {
	if client.realm == nil {
		return client.credentials, nil
	}
	address := *client.realm
	address.RawQuery += "&" + url.Values{"scope": {scope}}.Encode()
	var granted struct {
		Token string `json:"token"`
	}
	_, err := client.get(&address, client.credentials, &granted)
	return "Bearer " + granted.Token, err
}

// pages gets a document and those that follow it; next is called after each.
func (client *client) pages(path, scope string, into any, next func()) error {
	authorization, err := client.authorization(scope)
	if err != nil {
		return err
	}
	address, err := client.base.Parse(path)
	for err == nil {
		var header http.Header
		if header, err = client.get(address, authorization, into); err != nil {
			break
		}
		next()
		link := nextLink.FindStringSubmatch(header.Get("Link"))
		if link == nil {
			return nil
		}
		address, err = address.Parse(link[1])
	}
	return err
}

func (client *client) get(address *url.URL, authorization string, into any) (http.Header, error) {
	client.exchanges.Add(1)
	request := &http.Request{Method: http.MethodGet, URL: address, Host: address.Host, Header: http.Header{}}
	if authorization != "" {
		request.Header.Set("Authorization", authorization)
	}
	response, err := client.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body := client.bodies.Get().(*bytes.Buffer)
	defer client.bodies.Put(body)
	body.Reset()
	if _, err = io.Copy(body, response.Body); err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return response.Header, statusError{response.StatusCode, address.Path}
	}
	if into == nil {
		return response.Header, nil
	}
	return response.Header, json.Unmarshal(body.Bytes(), into)
}

// Listings writes the tags and images of every repository of a registry, a JSON line each: what the crawler does at
// depth `tags`, by Go's standard library alone and as one writes it who knows that library. It says how many exchanges
// it made.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net/url"
	"os"
	"sync"
	"time"
)

const pageSize = 1000

type crawl struct {
	client *client
	host   string
	runID  string
}

func main() {
	log.SetFlags(0)
	credentials := flag.String("credentials", "", "the value of an Authorization header")
	concurrency := flag.Int("concurrency", 64, "exchanges in flight")
	caFile := flag.String("ca-file", "", "the authority to trust, in PEM")
	output := flag.String("output", "records.jsonl", "the file to write")
	flag.Parse()
	exchanges, err := run(flag.Arg(0), *credentials, *caFile, *output, *concurrency)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(exchanges)
}

func run(address, credentials, caFile, output string, concurrency int) (int64, error) {
	base, err := url.Parse(address)
	if err != nil {
		return 0, err
	}
	client, err := newClient(base, credentials, caFile, concurrency)
	if err != nil {
		return 0, err
	}
	if err := client.challenge(); err != nil {
		return 0, err
	}
	crawl := &crawl{client: client, host: base.Host, runID: time.Now().UTC().Format("20060102T150405Z-0000")}
	file, err := os.Create(output)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	names, lines := make(chan string, 2*pageSize), make(chan []byte, concurrency)
	discovered, written := make(chan error, 1), make(chan struct{})
	go func() { discovered <- crawl.discover(names) }()
	go func() {
		defer close(written)
		if err := write(file, lines); err != nil {
			log.Fatal(err)
		}
	}()
	var workers sync.WaitGroup
	for range concurrency {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for name := range names {
				lines <- crawl.list(name)
			}
		}()
	}
	workers.Wait()
	close(lines)
	<-written
	err = <-discovered
	return client.exchanges.Load(), err
}

func (crawl *crawl) discover(names chan<- string) error {
	defer close(names)
	var page struct {
		Repositories []string `json:"repositories"`
	}
	first := fmt.Sprintf("/v2/_catalog?n=%d", pageSize)
	return crawl.client.pages(first, "registry:catalog:*", &page, func() {
		for _, name := range page.Repositories {
			names <- name
		}
		page.Repositories = nil
	})
}

func (crawl *crawl) list(name string) []byte {
	var listed, page listing
	err := crawl.client.pages("/v2/"+name+"/tags/list", "repository:"+name+":pull", &page, func() {
		if listed.Tags == nil {
			listed = page
		} else {
			listed.Tags = append(listed.Tags, page.Tags...)
		}
		page = listing{}
	})
	line, failed := json.Marshal(crawl.record(name, listed, err))
	if failed != nil {
		log.Fatal(failed) // strings and numbers always can be written
	}
	return append(line, '\n')
}

func write(file *os.File, lines <-chan []byte) error {
	buffered := bufio.NewWriterSize(file, 1<<20)
	for line := range lines {
		if _, err := buffered.Write(line); err != nil {
			return err
		}
	}
	if err := buffered.Flush(); err != nil {
		return err
	}
	return file.Sync()
}

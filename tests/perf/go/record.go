package main

import (
	"cmp"
	"net/http"
	"slices"
	"time"
)

const timeFormat = "2006-01-02T15:04:05.000Z"

// listing is the body of tags/list; Google's has the folders below, and the images.
type listing struct {
	Child    []string            `json:"child"`
	Manifest map[string]manifest `json:"manifest"`
	Tags     []string            `json:"tags"`
}

type manifest struct {
	ImageSizeBytes int64    `json:"imageSizeBytes,string"`
	MediaType      string   `json:"mediaType"`
	Tag            []string `json:"tag"`
	TimeCreatedMs  int64    `json:"timeCreatedMs,string"`
	TimeUploadedMs int64    `json:"timeUploadedMs,string"`
}

// record is a line of a snapshot: every field of the crawler's, of which a listing tells those that are set.
type record struct {
	Schema     int        `json:"schema"`
	RunID      string     `json:"run_id"`
	Target     string     `json:"target"`
	Registry   string     `json:"registry"`
	Repository string     `json:"repository"`
	Outcome    string     `json:"outcome"`
	Tags       []string   `json:"tags"`
	Images     []image    `json:"images"`
	Children   []string   `json:"children"`
	Problems   []struct{} `json:"problems"`
	Suspect    *string    `json:"suspect"`
	Error      *failure   `json:"error"`
	ObservedAt string     `json:"observed_at"`
}

type image struct {
	Digest        string   `json:"digest"`
	Tags          []string `json:"tags"`
	Kind          *string  `json:"kind"`
	MediaType     string   `json:"media_type"`
	ArtifactType  *string  `json:"artifact_type"`
	SubjectDigest *string  `json:"subject_digest"`
	SizeBytes     int64    `json:"size_bytes"`
	CreatedAt     string   `json:"created_at"`
	UploadedAt    string   `json:"uploaded_at"`
	UpdatedAt     *string  `json:"updated_at"`
	PulledAt      *string  `json:"pulled_at"`
	Platforms     *string  `json:"platforms"`
	Manifest      *string  `json:"manifest"`
	Config        *string  `json:"config"`
	Referrers     *string  `json:"referrers"`
}

type failure struct {
	Code       *string `json:"code"`
	HTTPStatus *int    `json:"http_status"`
	Message    string  `json:"message"`
}

func (crawl *crawl) record(name string, listed listing, err error) record {
	made := record{
		Schema: 2, RunID: crawl.runID, Target: crawl.host, Registry: crawl.host, Repository: name, Outcome: "ok",
		Tags: listed.Tags, Images: images(listed.Manifest), Children: listed.Child, Problems: []struct{}{},
		ObservedAt: time.Now().UTC().Format(timeFormat),
	}
	if err != nil {
		made.Outcome, made.Error = explain(err)
	}
	if made.Tags == nil {
		made.Tags = []string{}
	}
	return made
}

// images has the images in the order of their digests; nil where nothing told of them.
func images(manifests map[string]manifest) []image {
	if manifests == nil {
		return nil
	}
	made := make([]image, 0, len(manifests))
	for digest, manifest := range manifests {
		made = append(made, image{
			Digest: digest, Tags: manifest.Tag, MediaType: manifest.MediaType, SizeBytes: manifest.ImageSizeBytes,
			CreatedAt:  time.UnixMilli(manifest.TimeCreatedMs).UTC().Format(timeFormat),
			UploadedAt: time.UnixMilli(manifest.TimeUploadedMs).UTC().Format(timeFormat),
		})
	}
	slices.SortFunc(made, func(a, b image) int { return cmp.Compare(a.Digest, b.Digest) })
	return made
}

func explain(err error) (string, *failure) {
	told := &failure{Message: err.Error()}
	status, isStatus := err.(statusError)
	if !isStatus {
		return "failed", told
	}
	told.HTTPStatus = &status.code
	switch status.code {
	case http.StatusNotFound:
		return "missing", told
	case http.StatusUnauthorized, http.StatusForbidden:
		return "denied", told
	}
	return "failed", told
}

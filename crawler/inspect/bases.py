"""The base of an image: by its annotation, else by its own label, else by the layers that it begins with."""

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

import orjson

from crawler.digest_cache.cache import DigestCache
from crawler.digest_cache.values import KnownImage
from crawler.errors import MalformedResponse
from crawler.model.image import BaseSource
from crawler.wire.image_config import parse_image_config

# image-spec, annotations.md, "Pre-Defined Annotation Keys"
BASE_NAME: Final = "org.opencontainers.image.base.name"
BASE_DIGEST: Final = "org.opencontainers.image.base.digest"

_CLAIMS_KEPT: Final = 1024
_HAS_LAYERS: Final = b'"diff_ids":["'
_CONFIG_KEY: Final = '"config":{'
"""The beginning of each config of a record, and of nothing else: in a text the quotation marks are escaped, and of all
names that a registry chooses (annotations, labels) the values are texts."""

_DECODER: Final = json.JSONDecoder()


class Base(NamedTuple):
    """A base image, and what names it. `name` or `digest` may be None, but not both."""

    name: str | None
    digest: str | None
    source: BaseSource


class Bases:
    """Finds bases among the images in the cache: those of the run, and those of all runs before."""

    def __init__(self, cache: DigestCache) -> None:
        self._cache = cache
        self._claim_of = lru_cache(_CLAIMS_KEPT)(self._claim_of_config)

    def add(self, diff_ids: Sequence[str], image: KnownImage) -> None:
        self._cache.add_image(diff_ids, image)

    def find(self, annotations: Mapping[str, str], labels: Mapping[str, str], diff_ids: Sequence[str]) -> Base | None:
        """The base of an image with these annotations, labels and layers; None where nothing names it.

        Docker copies the labels of a base into every image that is built on it (clastix/kamaji#1173). So a label that
        the base has with the same value names what the base was built on, and is no claim of the image itself.
        """
        if (base := _claim(annotations, BaseSource.ANNOTATION)) is not None:
            return base
        below = self._cache.longest_base(diff_ids) if diff_ids else None
        claim = _claim(labels, BaseSource.LABEL)
        if claim is not None and (below is None or claim != self._claim_of(below.config_digest)):
            return claim
        return None if below is None else Base(below.reference, below.digest, BaseSource.LAYERS)

    def finish_line(self, line: bytes) -> bytes:
        """A line of the journal with the bases that are known at the end of the run.

        A base may be read after the images that are built on it. The configs are parsed one by one: a whole record of
        ten thousand images takes 200 MB.
        """
        if _HAS_LAYERS not in line:
            return line
        text, pieces, copied, end = line.decode(), [], 0, 0
        while (key := text.find(_CONFIG_KEY, end)) >= 0:
            start = key + len(_CONFIG_KEY) - 1
            config, end = _DECODER.raw_decode(text, start)
            if self._finish_config(config):
                pieces += [text[copied:start], orjson.dumps(config).decode()]
                copied = end
        return "".join([*pieces, text[copied:]]).encode() if copied else line

    def _finish_config(self, config: dict[str, Any]) -> bool:
        """Fill in the base of an image's config as a record has it. Returns whether that changed anything."""
        if config["base_from"] == BaseSource.ANNOTATION:
            return False
        base = self.find({}, config["labels"] or {}, config["diff_ids"] or ())
        name, digest, source = (None, None, None) if base is None else base
        found = {"base_name": name, "base_digest": digest, "base_from": source}
        if found.items() <= config.items():
            return False
        config.update(found)
        return True

    def _claim_of_config(self, config_digest: str) -> Base | None:
        """The base that the labels of a config in the cache name."""
        content = self._cache.get(config_digest)
        if content is None:
            return None
        try:
            return _claim(parse_image_config(content.body).labels or {}, BaseSource.LABEL)
        except MalformedResponse:
            return None


def _claim(texts: Mapping[str, str], source: BaseSource) -> Base | None:
    name, digest = texts.get(BASE_NAME) or None, texts.get(BASE_DIGEST) or None
    return None if name is None and digest is None else Base(name, digest, source)

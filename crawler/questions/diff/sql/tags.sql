-- Tags that were added, removed or moved, and those whose new digest is not known.
SELECT
    CASE
        WHEN old.tag IS NULL THEN 'tag-added'
        WHEN new.tag IS NULL THEN 'tag-removed'
        WHEN new.digest IS NULL THEN 'unknown'
        ELSE 'tag-moved'
    END AS kind,
    repository,
    tag,
    NULL AS subject_digest,
    old.digest AS old_digest,
    new.digest AS new_digest,
    CASE
        WHEN old.tag IS NULL AND heads.suspect IS NOT NULL
        THEN 'the old listing may not have been whole: the old snapshot may have missed it'
        WHEN old.tag IS NOT NULL AND new.tag IS NOT NULL AND new.digest IS NULL THEN concat_ws(
            ': ',
            CASE WHEN old.digest IS NULL THEN 'no digest in both snapshots' ELSE 'no digest in the new snapshot' END,
            list_filter(contents.problems, lambda problem: problem.tag = tag)[1].problem
        )
    END AS detail
FROM old_tags AS old
FULL JOIN new_tags AS new USING (repository, tag)
JOIN old_kept AS heads USING (repository)
JOIN new_heads USING (repository)
CROSS JOIN evidence
WHERE CASE
    WHEN old.tag IS NULL THEN true
    WHEN new.tag IS NULL THEN new_heads.suspect IS NULL
    WHEN new.digest IS NULL THEN digests_doubt IS NULL
        AND (old.digest IS NOT NULL OR list_contains(unread(contents.problems), tag))
    ELSE old.digest <> new.digest
END

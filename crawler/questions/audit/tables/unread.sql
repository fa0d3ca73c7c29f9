-- One row for each repository of which something is not known, so that no answer about it is proved.
-- reads: outcome, suspect, tags, problems.problem, problems.tag, images.tags
SELECT run_id, registry, target, repository, unread AS why, outcome = 'ok' AND suspect IS NULL AS tags_known
FROM (SELECT *, {{why_unread}} AS unread FROM records)
WHERE unread IS NOT NULL

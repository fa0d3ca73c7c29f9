-- question: By which reference is each tagged image pulled?
-- lines: reference
-- column: answer   yes, or unknown
-- column: reference   by digest; by tag where the digest is not known
-- column: repository   the repository
-- column: tags   the tags of the image
-- column: why   why the answer is unknown

-- Signatures, SBOMs and other artifacts are left out, as far as they are known to be some. A reference goes into the
-- lines that other programs read, so one with characters that no reference has is left out, too. So is a tag that is
-- proved to have no manifest: `broken` names it.
WITH gone AS (
    SELECT repository, tag, digest FROM problems WHERE problem IN ('dangling-tag', 'vanished-tag')
),
named AS (
    SELECT registry || '/' || repository || '@' || digest AS reference, repository, tags
    FROM pullable
    ANTI JOIN gone USING (repository, digest)
    WHERE len(tags) > 0
    UNION ALL
    SELECT registry || '/' || repository || ':' || tag AS reference, repository, [tag] AS tags
    FROM tags
    ANTI JOIN gone USING (repository, tag)
    WHERE
        digest IS NULL
        AND NOT regexp_full_match(tag, 'sha(256-[0-9a-f]{64}|512-[0-9a-f]{128})([.](sig|att|sbom))?')
)
SELECT 'yes' AS answer, reference, repository, tags, NULL AS why
FROM named
WHERE regexp_full_match(reference, '[A-Za-z0-9][A-Za-z0-9._:/@-]*')
UNION ALL BY NAME
SELECT 'unknown' AS answer, repository, tags, 'the name of the tag is not valid' AS why
FROM named
WHERE NOT regexp_full_match(reference, '[A-Za-z0-9][A-Za-z0-9._:/@-]*')
UNION ALL BY NAME
SELECT 'unknown' AS answer, repository, why
FROM unread
WHERE NOT tags_known
ORDER BY answer DESC, repository, reference

-- How many tagged images have a signature, an SBOM or a provenance. BuildKit attaches an SBOM and a provenance to the
-- images of an index, and people pull the index, so it has what one of its images has. A signature is of one digest.
WITH
    found AS (
        SELECT DISTINCT hash(repository, digest) AS key, kind
        FROM referrers
        WHERE kind IN ('signature', 'sbom', 'provenance')
    ),
    found_below AS (
        SELECT platform_rows.parent AS key, found.kind AS kind
        FROM found
        JOIN platform_rows ON platform_rows.key = found.key AND platform_rows.parent <> platform_rows.key
        WHERE found.kind <> 'signature'
    ),
    subjects AS (
        SELECT
            key,
            bool_or(kind = 'signature') AS is_signed,
            bool_or(kind = 'sbom') AS has_sbom,
            bool_or(kind = 'provenance') AS has_provenance
        FROM (SELECT * FROM found UNION ALL SELECT * FROM found_below)
        GROUP BY key
    )
SELECT
    count(*) FILTER (WHERE is_signed) AS signed,
    count(*) FILTER (WHERE has_sbom) AS with_sbom,
    count(*) FILTER (WHERE has_provenance) AS with_provenance
FROM manifests
JOIN subjects USING (key)
WHERE is_subject AND referrers_known

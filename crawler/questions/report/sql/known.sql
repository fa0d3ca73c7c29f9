SELECT
    count(*) AS manifests,
    count(*) FILTER (WHERE is_image) AS images,
    count(*) FILTER (WHERE of_unknown_kind) AS of_unknown_kind,
    (SELECT count(*) FROM subjects WHERE is_subject) AS subjects,
    count(*) FILTER (WHERE manifest_known) AS with_layers,
    count(*) FILTER (WHERE size_known) AS with_size,
    (SELECT count(*) FROM subjects WHERE is_subject AND referrers_known) AS with_referrers
FROM manifests

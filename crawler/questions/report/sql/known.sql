SELECT
    count(*) AS manifests,
    count_if(is_image) AS images,
    count_if(is_subject) AS subjects,
    count_if(manifest_known) AS with_layers,
    count_if(size_known) AS with_size,
    count_if(is_subject AND referrers_known) AS with_referrers
FROM manifests

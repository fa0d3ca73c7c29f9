SELECT age_days, count(*) AS images
FROM manifests
WHERE is_image
GROUP BY age_days

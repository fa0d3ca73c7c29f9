#!/bin/sh
# Made by {{ made_by }}.
# Read it, and run it with a gcloud that may administer the project. It may run again: what exists is kept, and the
# configuration and the files get a new version.
set -eu
{ # the shell reads to the end before it starts: no command may read the script as its standard input
export CLOUDSDK_CORE_DISABLE_PROMPTS=1
project={{ options.project | shell }}
region={{ options.region | shell }}
bucket={{ options.bucket | shell }}
account={{ options.service_account | shell }}

gcloud services enable run.googleapis.com cloudscheduler.googleapis.com secretmanager.googleapis.com --project "$project"

# Folders of a bucket are renamed in one step only with a hierarchical namespace.
gcloud storage buckets describe "gs://$bucket" --project "$project" > /dev/null 2>&1 ||
    gcloud storage buckets create "gs://$bucket" --project "$project" --location "$region" \
        --uniform-bucket-level-access --enable-hierarchical-namespace
gcloud storage buckets add-iam-policy-binding "gs://$bucket" --role roles/storage.objectUser \
    --member "serviceAccount:$account" > /dev/null

# store_secret NAME: a new version of a secret, from standard input; the account may read it
store_secret() {
    gcloud secrets describe "$1" --project "$project" < /dev/null > /dev/null 2>&1 ||
        gcloud secrets create "$1" --project "$project" --replication-policy automatic < /dev/null
    gcloud secrets versions add "$1" --project "$project" --data-file -
    gcloud secrets add-iam-policy-binding "$1" --project "$project" --role roles/secretmanager.secretAccessor \
        --member "serviceAccount:$account" < /dev/null > /dev/null
}
{% for file, secret in files.items() %}
store_secret {{ secret }} < {{ file.path | string | shell }}
{% endfor %}
{% for variable, secret in secret_variables.items() %}
printf %s "${{ '{' }}{{ variable }}:?set it, as for a crawl}" | store_secret {{ secret }}
{% endfor %}
{% if needs_docker_login %}
store_secret {{ options.name }}-docker-login < "${DOCKER_CONFIG:-$HOME/.docker}/config.json"
{% endif %}
store_secret {{ options.name }}-config {{ config_text | heredoc }}

job=$(mktemp)
trap 'rm -f "$job"' EXIT
cat > "$job" {{ job | heredoc }}
gcloud run jobs replace "$job" --project "$project" --region "$region"
gcloud run jobs add-iam-policy-binding {{ options.name }} --project "$project" --region "$region" \
    --role roles/run.invoker --member "serviceAccount:$account" > /dev/null

action=update
gcloud scheduler jobs describe {{ options.name }} --project "$project" --location "$region" > /dev/null 2>&1 ||
    action=create
gcloud scheduler jobs "$action" http {{ options.name }} --project "$project" --location "$region" \
    --schedule {{ options.schedule | shell }} --time-zone Etc/UTC --http-method POST \
    --uri "https://run.googleapis.com/v2/projects/$project/locations/$region/jobs/{{ options.name }}:run" \
    --oauth-service-account-email "$account"
}

#!/bin/sh
# Made by {{ made_by }}. cron mails whatever a job prints, so a good night prints nothing.
# The crontab of the user that may read the files of the configuration:
#
#   MAILTO=ops@example.com
#   {{ crontab_line }}
#
cd {{ folder | shell }} || exit 1
exec 9> {{ name }}.lock
flock -n 9 || { echo "the last crawl is still running"; exit 1; }
{% for variable, value in variables.items() %}
export {{ variable }}={{ value | shell }}
{% endfor %}
{{ program | shell }} crawl --config {{ config_file | shell }} --resume --no-progress > {{ name }}.log 2>&1
code=$?
{% if textfile is not none %}
if ! {{ program | shell }} metrics --config {{ config_file | shell }} --textfile {{ textfile | shell }} >> {{ name }}.log 2>&1; then
    [ "$code" -ne 0 ] || code=1
fi
{% endif %}
[ "$code" -eq 0 ] || cat {{ name }}.log
exit "$code"

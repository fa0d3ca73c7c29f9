#!/bin/sh
# Made by {{ made_by }}. Read it, and run it as root.
# It installs the configuration, the files that the configuration names, a service and a timer; with DESTDIR below that
# folder, and then it starts nothing. Needs systemd 247 or newer.
set -eu
{ # the shell reads to the end before it starts
root=${DESTDIR:-}
etc=$root/etc/{{ options.name }}
units=$root/etc/systemd/system
install -d -m 0755 "$etc" "$units"
install -d -m 0700 "$etc/credentials"

{% for file in files %}
install -m 0600 {{ (file.path | string) | shell }} "$etc/credentials/{{ file.name }}"
{% endfor %}
{% if needs_docker_login %}
install -m 0600 "${DOCKER_CONFIG:-$HOME/.docker}/config.json" "$etc/credentials/config.json"
{% endif %}
cat > "$etc/config.toml" {{ config_text | heredoc }}
cat > "$units/{{ options.name }}.service" {{ service | heredoc }}
cat > "$units/{{ options.name }}.timer" {{ timer | heredoc }}
chmod 0644 "$etc/config.toml" "$units/{{ options.name }}.service" "$units/{{ options.name }}.timer"

if [ -z "$root" ]; then
    systemctl daemon-reload
    systemctl enable --now {{ options.name }}.timer
    systemctl list-timers --no-pager {{ options.name }}.timer
fi
}

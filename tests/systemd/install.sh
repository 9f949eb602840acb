# Inside the bed: what docs/install.md does by hand, with the packages of this checkout and a scripted model.
set -eu
python=$1
"$python" -m venv --without-pip /opt/watchdogd
site=$(echo /opt/watchdogd/lib/python3.*/site-packages)
printf '/opt/bed/src\n/opt/bed/deps\n' > "$site/bed.pth"
printf '#!/opt/watchdogd/bin/python\nimport sys\nfrom watchdogd.__main__ import main\nsys.exit(main())\n' > /opt/watchdogd/bin/watchdogd
chmod 755 /opt/watchdogd/bin/watchdogd
id watchdogd >/dev/null 2>&1 || useradd --system --home-dir /var/lib/watchdogd --shell /usr/sbin/nologin watchdogd

scenario=/opt/bed/src/watchdogd/sim/scenarios/nightly-orders
mkdir -p /etc/watchdogd /srv
cp -r "$scenario/workspace" /srv/orders
chown -R watchdogd: /srv/orders
cp "$scenario/scenario.toml" /etc/watchdogd/
cat > /etc/watchdogd/watchdogd.toml <<X
[agent]
name = "orders"
state_dir = "/var/lib/watchdogd"
workspace = "/srv/orders"

[worker]
provider = "scripted"
model = "claude-sonnet-5-5"
scenario = "scenario.toml"

[judge]
enabled = false

[notify]
command = ["/bin/sh", "-c", "cat >> /var/lib/watchdogd/told"]

[policy]
base = "assisted"

$(cat "$scenario/mission.toml")
trigger = "start"
X
printf 'not-a-key' | install -m 0600 /dev/stdin /etc/watchdogd/anthropic_api_key
cp /opt/bed/units/watchdogd.service /opt/bed/units/watchdogd-notify@.service /etc/systemd/system/
mkdir -p /etc/systemd/system/watchdogd.service.d
cat > /etc/systemd/system/watchdogd.service.d/site.conf <<X
[Unit]
StartLimitBurst=5
[Service]
ReadWritePaths=/srv/orders
LoadCredential=anthropic_api_key:/etc/watchdogd/anthropic_api_key
ExecStartPre=/bin/sh -c 'cat "\$\$CREDENTIALS_DIRECTORY/anthropic_api_key" > /var/lib/watchdogd/credential'
# As in the unit, only shorter, so that a test can wait for them.
WatchdogSec=6
RestartSec=1
X
systemctl daemon-reload
systemctl start watchdogd

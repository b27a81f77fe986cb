#!/bin/bash
# Title: node-sonos answers the first event of a subscription with 200 and throws it away.
# Version: sonos 1.14.3 from npm; Node.js 18.20 or 20.20
# Guess: the event that a player sends at once (UPnP: the state at the time of the subscription) reaches the
#        program; one for an unknown subscription is answered with 404 or 412, as the source means to.
# Seen: subscriptions are known only when the player has answered all seven. An event before that is answered with
#       "404 - Not found" as the body of a 200, for the status is set as `statuscode`; the player does not repeat it,
#       and the program does not learn the volume (2026-11-30).
# Here: a first event that does not reach the program is not always the firewall's doing; tests/vm/test_sonos.py
#       therefore waits for an event after the subscription.
. "$(dirname "$(readlink -f "$0")")/lib.sh"
command -v node >/dev/null && command -v npm >/dev/null || cannot "node or npm is missing"
cp "$(dirname "$(readlink -f "$0")")"/../tests/lab/npm/package*.json "$work" # the pinned version and its dependencies
(cd "$work" && npm ci --ignore-scripts --no-audit --no-fund) >"$work/npm.log" 2>&1 ||
    cannot "npm ci: $(tail -n 1 "$work/npm.log")"
cat >"$work/events.js" <<'END'
const http = require('http')
const { Listener, Sonos } = require('sonos')

const event = volume => '<e:propertyset xmlns:e="urn:schemas-upnp-org:event-1-0"><e:property><LastChange>' +
  `&lt;Event&gt;&lt;InstanceID val="0"&gt;&lt;Volume channel="Master" val="${volume}"/&gt;` +
  '&lt;Volume channel="LF" val="100"/&gt;&lt;/InstanceID&gt;&lt;/Event&gt;</LastChange></e:property></e:propertyset>'

function notify (sid, volume) {
  return new Promise(resolve => {
    const headers = { SID: sid, NT: 'upnp:event', NTS: 'upnp:propchange', SEQ: '0' }
    http.request({ host: '127.0.0.1', port: 4000, path: '/notify', method: 'NOTIFY', headers }, response => {
      response.setEncoding('utf8')
      response.on('data', text => console.log(`volume ${volume}: ${response.statusCode} with "${text}"`))
      response.on('end', resolve)
    }).end(event(volume))
  })
}

let count = 0
let rendering
const player = http.createServer(async (request, response) => {
  const sid = `uuid:${++count}`
  if (request.url === '/MediaRenderer/RenderingControl/Event') {
    rendering = sid
    await notify(sid, 10) // the answer is on its way, too
  }
  response.setHeader('SID', sid)
  response.setHeader('Timeout', 'Second-1800')
  response.end()
})
player.listen(1400, '127.0.0.1', async () => {
  const device = new Sonos('127.0.0.1')
  await Listener.subscribeTo(device)
  device.on('Volume', volume => console.log('the program receives', volume))
  await notify(rendering, 20)
  process.exit(0)
})
END
cat >"$work/up.sh" <<'END'
ip link set lo up
exec node "$1/events.js"
END
expect "events" 'volume 10: 200 with "404 - Not found"
the program receives 20
volume 20: 200 with "OK"' "$(in_namespace sh "$work/up.sh" "$work")"
finish

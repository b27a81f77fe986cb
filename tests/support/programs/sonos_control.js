/* A controller of Sonos players on node-sonos, like sonos_control.py: search, subscribe, change the volume, take the
 * event, leave. node-sonos subscribes to seven services at a time, all with one CALLBACK, and knows of none of them
 * before the player has answered all: only an event from then on reaches the program.
 *
 * Runs in a namespace as `node sonos_control.js SECONDS [PLAYER]`; without a player's address it searches. */
'use strict'

const { AsyncDeviceDiscovery, Listener, Sonos } = require('sonos')

const [seconds, address] = process.argv.slice(2)
const timeout = Number(seconds) * 1000
const VOLUME = 20
const say = (...words) => console.log(...words)

function search () {
  return new AsyncDeviceDiscovery().discover({ timeout }).catch(() => null)
}

async function main () {
  const player = address ? new Sonos(address) : await search()
  if (!player) return say('silence')
  say('player', player.host)
  await Listener.subscribeTo(player)
  say('subscribed')
  const event = new Promise(resolve => {
    player.on('Volume', volume => volume === VOLUME && resolve(`volume ${volume}`))
    setTimeout(resolve, timeout, 'silence')
  })
  await player.setVolume(VOLUME)
  say(await event)
  await Listener.stopListener()
  say('end')
}

// it keeps a timer for renewals, and connections to the player
main().then(() => process.exit(0), error => { console.error(error); process.exit(1) })

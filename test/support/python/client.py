"""A WebSocket client for Slipstream in another language: the plain frames of the protocol, by hand.

    client.py publish --url ws://127.0.0.1:7070/ --prefix aws --count 1000 --targets ';cards;aws,gcp' --log aws.jsonl
    client.py receive --url ws://127.0.0.1:7070/ --name ledger --tags aws,cards --log ledger.jsonl

`publish` sends a generated corpus and ends when all of it is acknowledged or refused for good; what has no answer when a
connection breaks is sent again, with the same id and the same text. `receive` acknowledges whatever comes, reconnects for
ever, and ends with SIGTERM. Both write one line of JSON per event, with the exact text of the frame; nothing is filtered.
"""

import argparse
import asyncio
import json
import signal
import sys
import time
from collections import OrderedDict
from urllib.parse import urlencode

import websockets

RECONNECT_AFTER_SECONDS = 0.2
# Live traffic that nobody reads any more keeps the library from seeing the other end's close frame.
CLOSE_WITHIN_SECONDS = 0.5
# What a parser and a printer of another language would change, in one way or another.
VALUES = (
    '9007199254740993',
    '1.10',
    '-0.0',
    '12345678901234567890.123456789012345678900',
    '1E+2',
    'null',
    'true',
    '"plain"',
    '""',
    '"Zürich – 東京 – 🚀"',
    '"\\u00e9 \\ud83d\\ude80 \\/ \\"quoted\\" \\\\ }]"',
    '{"amount": 1.10, "currency":"EUR", "id":9007199254740993}',
    '{"10":1,"2":2,"b":{"a":{"z":[1,2.50,[],{}]}},"a":null}',
    '{ "spaced" :\t[ 1 ,\n 2 ] }',
    '{"text":"' + 'slip – ' * 400 + '"}',
)
ARRAYS = (
    '[]',
    '[9007199254740993,1.10,-0.0]',
    '[ "Zürich" , "\\u6771\\u4eac", "🚀" ]',
    '[[],[[]],{"a":[null,{"b":[1.00]}]}]',
    '[' + ','.join(['{"amount":10.50}'] * 60) + ']',
)
# Frames of the deployed system make claims about their way, which the bus replaces.
MADE_UP = '"sourceInstanceId":"pi-0","messagePath":["pi-0"],"originInstanceId":"pi-0",'


def message(prefix, index, targets):
    """One message of the corpus: always the same for the same arguments."""
    message_id = f'{prefix}-{index}'
    array = index % 3 == 2
    value = ARRAYS[index % len(ARRAYS)] if array else VALUES[index % len(VALUES)]
    tags = targets[index % len(targets)]
    members = [
        f'"type":"{"SA" if array else "SK"}"',
        f'"messageId":"{message_id}"',
        f'"key":"{prefix}/ключ/{index % 500}"',
        f'"value":{value}',
    ]
    if tags or index % 4 == 0:
        members.append('"targetedTags":' + json.dumps(tags))
    if index % 5 == 0:
        members.insert(0, f'"x-order": {index}.0')
    if index % 7 == 0:
        members.append('"clusterGroupId":"payments"')
    if index % 11 == 0:
        members.reverse()
    own = (' ,\n  ' if index % 6 == 0 else ',').join(members)
    text = '{' + (MADE_UP if index % 9 == 0 else '') + own + '}'
    return {'messageId': message_id, 'targetedTags': tags, 'own': own, 'text': text}


class Log:
    """JSON lines, each on its way to the file before the client goes on."""

    def __init__(self, path):
        self._file = open(path, 'a', buffering=1, encoding='utf-8')

    def write(self, event, **fields):
        self._file.write(json.dumps({'event': event, 'at': time.time() * 1000, **fields}) + '\n')


class Publisher:
    def __init__(self, options, log):
        targets = [[tag for tag in tags.split(',') if tag] for tags in options.targets.split(';')]
        self._waiting = (message(options.prefix, index, targets) for index in range(options.count))
        self._sent = OrderedDict()
        self._options = options
        self._log = log

    async def session(self):
        async with connect(self._options) as socket:
            await self._send_again(socket)
            await self._fill_window(socket)
            while self._sent:
                await self._answer(socket, await asyncio.wait_for(socket.recv(), self._options.patience))
        return True

    async def _send_again(self, socket):
        for one in list(self._sent.values()):
            self._log.write('repeated', messageId=one['messageId'])
            await socket.send(one['text'])

    async def _fill_window(self, socket):
        while len(self._sent) < self._options.window:
            one = next(self._waiting, None)
            if one is None:
                return
            self._sent[one['messageId']] = one
            self._log.write('published', **one)
            await socket.send(one['text'])

    async def _answer(self, socket, frame):
        body = json.loads(frame)
        message_id = body.get('messageId')
        if body['type'] == 'NACK' and body.get('retryable') and message_id in self._sent:
            await asyncio.sleep(body.get('retryAfterMs', 1000) / 1000)
            await socket.send(self._sent[message_id]['text'])
        elif body['type'] in ('ACK', 'NACK'):
            self._sent.pop(message_id, None)
            self._log.write('acknowledged' if body['type'] == 'ACK' else 'refused', **body)
            await self._fill_window(socket)


class Receiver:
    def __init__(self, options, log):
        self._options = options
        self._log = log

    async def session(self):
        async with connect(self._options) as socket:
            self._log.write('connected')
            async for frame in socket:
                await self._receive(socket, frame)
        return False

    async def _receive(self, socket, frame):
        body = json.loads(frame)
        self._log.write('received', messageId=body.get('messageId'), frame=frame)
        if body['type'] not in ('ACK', 'NACK') and not self._options.silent:
            await socket.send(acknowledgement(body, self._options.name))


def acknowledgement(body, name):
    """All members that an ACK of the deployed system has."""
    fields = {
        'type': 'ACK',
        'messageId': body['messageId'],
        'originInstanceId': name,
        'sourceInstanceId': name,
        'messagePath': [name],
        'status': 'stored',
    }
    if 'clusterGroupId' in body:
        fields['clusterGroupId'] = body['clusterGroupId']
    return json.dumps(fields)


def connect(options):
    query = {'instanceId': options.name, 'tags': options.tags, 'durable': options.durable}
    given = urlencode({name: value for name, value in query.items() if value})
    url = f'{options.url}?{given}' if given else options.url
    return websockets.connect(url, max_size=1 << 20, open_timeout=5, close_timeout=CLOSE_WITHIN_SECONDS)


async def persist(session):
    """One session after the other, until one of them says that it is done."""
    while True:
        try:
            if await session():
                return
        except (OSError, asyncio.TimeoutError, websockets.exceptions.WebSocketException) as problem:
            print(f'{type(problem).__name__}: {problem}', file=sys.stderr)
        await asyncio.sleep(RECONNECT_AFTER_SECONDS)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    modes = parser.add_subparsers(dest='mode', required=True)
    publish = modes.add_parser('publish')
    publish.add_argument('--prefix', required=True, help='of message ids and keys')
    publish.add_argument('--count', type=int, required=True)
    publish.add_argument('--window', type=int, default=256, help='messages that await their acknowledgement')
    publish.add_argument('--targets', default='', help="targeted tags of the messages in turn, such as ';cards;aws,gcp'")
    publish.add_argument('--patience', type=float, default=15, help='seconds without a frame before it reconnects')
    receive = modes.add_parser('receive')
    receive.add_argument('--silent', action='store_true', help='acknowledge nothing')
    for mode in (publish, receive):
        mode.add_argument('--url', required=True)
        mode.add_argument('--log', required=True)
        mode.add_argument('--name', help='without one it is sent live traffic only')
        mode.add_argument('--tags')
        mode.add_argument('--durable', choices=('true', 'false'))
    return parser.parse_args()


async def main():
    options = arguments()
    role = Publisher if options.mode == 'publish' else Receiver
    running = asyncio.ensure_future(persist(role(options, Log(options.log)).session))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    try:
        await running
    except asyncio.CancelledError:
        return 143
    return 0


if __name__ == '__main__':
    sys.exit(asyncio.run(main()))

"""Plugins that misbehave, each in a way of its own, in the process that they run in."""

PLUGINS = """
import asyncio, gc, locale, logging, os, re, signal, socket, sys, threading, time, warnings
from datetime import timedelta
from statscache.plugins import BasePlugin, CountingPlugin, counting_model

class Evil(BaseException):
    def __str__(self):
        raise SystemExit("not to be read")
    __repr__ = __str__

    @property
    def __notes__(self):
        raise KeyboardInterrupt

class Misbehaving(CountingPlugin):
    interval = timedelta(days=1)
    summary = description = "misbehaves"

    def process(self, message):
        n = message["msg"]["n"]
        if n % 10 == 3:
            self.misbehave(n)
        self.count(message)

def make(name, misbehave, in_update=False):
    def update(self, session):
        misbehave(self, 3)
        CountingPlugin.update(self, session)
    attributes = {"name": name, "model": counting_model(name + "_1d", "messages"), "misbehave": misbehave}
    if in_update:
        attributes |= {"update": update, "misbehave": lambda self, n: None}
    return type(name.title(), (Misbehaving,), attributes)

def raises(error):
    def misbehave(self, n):
        raise error
    return misbehave

def forks(self, n):
    os.fork()

def forks_and_raises(self, n):
    if os.fork() == 0:
        sys.exit("as a child does")

stayed = []

def forks_and_stays(self, n):
    stayed.append(n)
    if len(stayed) == 1 and os.fork() == 0:
        time.sleep(120)
        os._exit(0)

def takes_signals(self, n):
    for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(each, signal.SIG_DFL if each == signal.SIGPIPE else signal.SIG_IGN)

def goes_away(self, n):
    os.chdir("/")
    os.umask(0o777)
    os.environ["TZ"] = "America/St_Johns"
    time.tzset()
    sys.setrecursionlimit(160)
    sys.setswitchinterval(50)
    socket.setdefaulttimeout(0.001)
    warnings.simplefilter("error")
    gc.disable()
    locale.setlocale(locale.LC_ALL, "C.UTF-8")

def silences(self, n):
    logging.disable(logging.CRITICAL)
    logging.config.dictConfig({"version": 1}) if hasattr(logging, "config") else None

def loses_streams(self, n):
    sys.stdout = sys.stderr = None

def recurses(self, n):
    recurses(self, n)

def starts_threads(self, n):
    threading.Thread(target=lambda: 1 / 0).start()

def leaves_a_thread(self, n):
    threading.Thread(target=time.sleep, args=(1000,)).start()

def runs_a_loop(self, n):
    asyncio.run(asyncio.sleep(0))

class Mean:
    def __del__(self):
        raise RuntimeError("in __del__")

def leaves_mean_things(self, n):
    Mean()

def counts_too_much(self, n):
    class Fake:
        second = 3
    self.count(Fake, "one key", "too many")

def puts_what_cannot_be_hashed(self, n):
    self.queue.put([n])

def is_huge(self, n):
    raise ValueError("x" * 50_000_000)

ERRORS = {"exits": SystemExit("by a plugin"), "interrupts": KeyboardInterrupt(), "leaves": GeneratorExit(),
          "stops": StopIteration(), "evil": Evil(), "group": BaseExceptionGroup("all", [KeyboardInterrupt()]),
          "cancels": asyncio.CancelledError()}
DEEDS = [forks, forks_and_raises, forks_and_stays, takes_signals, goes_away, recurses,
         starts_threads, leaves_a_thread, runs_a_loop, leaves_mean_things, counts_too_much,
         puts_what_cannot_be_hashed, is_huge]
good = [make("good", lambda self, n: None)]
in_process = [make(name, raises(error)) for name, error in ERRORS.items()] + [make(d.__name__, d) for d in DEEDS]
in_update = [make(name + "_late", raises(error), True) for name, error in ERRORS.items()]
in_update += [make(d.__name__ + "_late", d, True) for d in DEEDS[:10]]
silent = [make(d.__name__, d) for d in (silences, loses_streams)]

class Promising(Misbehaving):
    name = "promising"
    model = counting_model("promising_1d", "messages")
    async def process(self, message):
        self.count(message)

class Generating(Misbehaving):
    name = "generating"
    model = counting_model("generating_1d", "messages")
    def process(self, message):
        yield self.count(message)

async def later():
    pass

class PromisingOnCall(Misbehaving):
    name = "on-call"
    model = counting_model("on_call_1d", "messages")
    def process(self, message):
        return later()

class Raising(Misbehaving):
    name = "raising"
    @property
    def model(self):
        raise SystemExit("no model")

class RaisingTopics(Misbehaving):
    name = "raising topics"
    model = counting_model("raising_topics_1d", "messages")
    topics = re.compile(b"bytes")

class Empty(BasePlugin):
    name = summary = description = "empty"

class OddIdent(Misbehaving):
    name = "odd"
    model = counting_model("odd_1d", "messages")
    ident = None

class Exiting(Misbehaving):
    name = "exiting"
    model = counting_model("exiting_1d", "messages")
    def __init__(self, *args):
        sys.exit("in the constructor")

class Queueless(Misbehaving):
    name = "queueless"
    model = counting_model("queueless_1d", "messages")
    def __init__(self, *args):
        super().__init__(*args)
        self.queue = []
unfit = [Promising, Generating, Raising, RaisingTopics, Empty, OddIdent, Exiting, Queueless]
on_call = [PromisingOnCall]
"""
TWICE = """
from statscache.plugins import CountingPlugin, counting_model
first = counting_model("twice_1d", "messages")
second = counting_model("twice_1d", "messages")
"""
INTERRUPTS = "raise KeyboardInterrupt"
EXITS = 'raise SystemExit("while it is imported")'

<?php

declare(strict_types=1);

/*
 * Other calls between a call and the reading of its answer: `interrupted.php collected|signalled`. Writes what went
 * wrong, and nothing if nothing did.
 */

namespace Provident\Identity\Tests;

use Provident\Identity\Identity;

require __DIR__ . '/autoload.php';

const FIRST = 'provider:fake:policy:t:r:id:first';
const SECOND = 'provider:fake:policy:t:r:id:second';

/** Part of a cycle, which only the collector of garbage takes away. */
final class Knot
{
    public self $itself;

    public function __construct(public readonly ?Identity $identity = null)
    {
        $this->itself = $this;
    }
}

$identity = Identity::open();
$wrong = [];
$held = static function (string $what, callable $call, mixed $expected) use (&$wrong): void {
    try {
        $got = $call() === $expected ? null : "$what answered something else";
    } catch (\Throwable $error) {
        $got = "$what: " . $error::class . ": {$error->getMessage()}";
    }
    if ($got !== null) {
        $wrong[$got] = ($wrong[$got] ?? 0) + 1;
    }
};

if ($argv[1] === 'collected') {
    $calls = [
        'parse' => static fn (): string => $identity->parse(FIRST)->value,
        'about' => static fn (): string => $identity->about()->engine,
        'batch' => static fn (): string => $identity->batch("{\n"),
        'open' => static fn (): string => Identity::open()->parse(FIRST)->value,
    ];
    foreach ($calls as $what => $call) {
        $expected = $call();
        // PHP collects at 10,001 possible roots: one by one, that moment is moved through the whole call.
        for ($roots = 9_960; $roots <= 10_001; $roots++) {
            $open = new Knot(Identity::open());
            gc_collect_cycles();
            unset($open);
            for ($knot = 1; $knot < $roots; $knot++) {
                new Knot();
            }
            $held($what, $call, $expected);
        }
    }
} else {
    $signals = 0;
    pcntl_async_signals(true);
    pcntl_signal(SIGUSR1, static function () use ($identity, $held, &$signals): void {
        $signals++;
        $held('a call of the handler', static fn (): string => $identity->parse(SECOND)->value, 'second');
        Identity::open()->close();
    });
    $process = getmypid();
    $sender = pcntl_fork();
    if ($sender === 0) {
        for ($sent = 0; $sent < 20_000; $sent++) {
            posix_kill($process, SIGUSR1);
            usleep(50);
        }
        // Without destructors: what is open is the other process's.
        posix_kill(getmypid(), SIGKILL);
    }
    while (pcntl_waitpid($sender, $status, WNOHANG) === 0) {
        $held('parse', static fn (): string => $identity->parse(FIRST)->value, 'first');
        $held('open', static fn (): string => Identity::open()->parse(FIRST)->value, 'first');
    }
    if ($signals < 1_000) {
        $wrong["only $signals signals came"] = 1;
    }
}
foreach ($wrong as $what => $times) {
    echo "$times times: $what\n";
}

<?php

declare(strict_types=1);

/*
 * P6: 1,000 subjects to keys, by hand-written PHP and by the package, objects in and objects out, in this process;
 * "P6 tuned": the same with hand-written PHP that is as fast as we know how to write it; then the first key of a process
 * against a process that does nothing. One line of JSON each. The argument is for how many seconds the pairs of each are
 * measured at least. How PHP is started decides on opcache and the JIT. With the JIT on, which a process that ends after
 * one key has no use for, the last line is not there.
 */

namespace Provident\Identity\Bench;

use Provident\Identity\Identity;
use Provident\Identity\Refusal;

require dirname(__DIR__) . '/tests/autoload.php';
require __DIR__ . '/subjects.php';

const SUBJECTS = 1_000;

$seconds = (float) ($argv[1] ?? 6);
$identity = Identity::open();
$subjects = subjects(SUBJECTS);
$hands = [
    'P6' => static fn (): array => HandWritten::deriveMany($subjects),
    'P6 tuned' => static fn (): array => Tuned::deriveMany($subjects),
];
$ours = static fn (): array => $identity->deriveMany($subjects);

/** CPU time of this process, user and system, in seconds; microseconds are the finest it gets. */
function cpu(): float
{
    $used = getrusage();
    return $used['ru_utime.tv_sec'] + $used['ru_stime.tv_sec']
        + ($used['ru_utime.tv_usec'] + $used['ru_stime.tv_usec']) / 1e6;
}

/** The smallest step of the CPU clock, in seconds. */
function cpuStep(): float
{
    $smallest = INF;
    for ($steps = 0, $before = cpu(); $steps < 20;) {
        $now = cpu();
        if ($now > $before) {
            $smallest = min($smallest, $now - $before);
            $before = $now;
            $steps++;
        }
    }
    return $smallest;
}

/** What two lists of answers have to have in common: all of it. */
function same(array $left, array $right): bool
{
    foreach ($left as $at => $answer) {
        $other = $right[$at] ?? null;
        $equal = $answer instanceof Refusal
            ? $other instanceof Refusal && [$answer->code, $answer->field] === [$other->code, $other->field]
            : $other !== null && !$other instanceof Refusal && $answer->value === $other->value;
        if (!$equal) {
            return false;
        }
    }
    return count($left) === count($right);
}

/**
 * A B B A until the time is up.
 *
 * @return array{ratios: list<float>, a: list<float>, b: list<float>} paired ratios A / B, and seconds of each slice
 */
function pairs(callable $a, callable $b, callable $clock, float $seconds): array
{
    $told = ['ratios' => [], 'a' => [], 'b' => []];
    $slice = static function (callable $run) use ($clock): array {
        $before = $clock();
        $answers = $run();
        return [$clock() - $before, $answers];
    };
    for ($until = hrtime(true) + $seconds * 1e9; hrtime(true) < $until;) {
        foreach ([[$a, $b, false], [$b, $a, true]] as [$first, $second, $swapped]) {
            [$one, $answersOne] = $slice($first);
            [$two, $answersTwo] = $slice($second);
            if (!same($answersOne, $answersTwo)) {
                throw new \LogicException('the two sides answer differently');
            }
            unset($answersOne, $answersTwo);
            [$ofA, $ofB] = $swapped ? [$two, $one] : [$one, $two];
            $told['ratios'][] = $ofA / $ofB;
            $told['a'][] = $ofA;
            $told['b'][] = $ofB;
        }
    }
    return $told;
}

/** @param list<float> $values */
function quantile(array $values, float $at): float
{
    sort($values);
    return $values[(int) floor($at * (count($values) - 1))];
}

$useCpu = cpuStep() <= 20e-6;
$clock = $useCpu ? cpu(...) : static fn (): float => hrtime(true) / 1e9;
$refused = count(array_filter($ours(), static fn (mixed $answer): bool => $answer instanceof Refusal));
$opcache = function_exists('opcache_get_status') ? opcache_get_status(false) : false;
$round = static fn (float $value): float => round($value, 3);
foreach ($hands as $figure => $hand) {
    pairs($hand, $ours, $clock, 0.5);
    $floor = pairs($hand, $hand, $clock, $seconds / 2);
    $pairs = pairs($hand, $ours, $clock, $seconds);
    $floorIs = quantile($floor['ratios'], 0.5);
    echo json_encode([
        'figure' => $figure,
        'host' => 'php',
        'opcache' => $opcache !== false,
        'jit' => $opcache['jit']['on'] ?? false,
        'ratio' => $round(quantile($pairs['ratios'], 0.5)),
        'p10' => $round(quantile($pairs['ratios'], 0.1)),
        'p90' => $round(quantile($pairs['ratios'], 0.9)),
        'floor' => $round($floorIs),
        'floor_p10' => $round(quantile($floor['ratios'], 0.1)),
        'floor_p90' => $round(quantile($floor['ratios'], 0.9)),
        'ours_ns_per_key' => (int) round(quantile($pairs['b'], 0.5) * 1e9 / SUBJECTS),
        'hand_ns_per_key' => (int) round(quantile($pairs['a'], 0.5) * 1e9 / SUBJECTS),
        // A machine that measures one thing against itself so badly measures nothing.
        'void' => $floorIs < 0.95 || $floorIs > 1.05,
        'refused' => $refused,
        'pairs' => count($pairs['ratios']),
        'clock' => $useCpu ? 'cpu' : 'wall',
        'php' => PHP_VERSION,
    ], JSON_THROW_ON_ERROR | JSON_PRESERVE_ZERO_FRACTION), "\n";
}

if ($opcache['jit']['on'] ?? false) {
    exit(0);
}

/** Milliseconds that a process takes. */
function processMs(string ...$arguments): float
{
    $started = hrtime(true);
    $status = proc_close(proc_open([PHP_BINARY, ...$arguments], [], $pipes));
    $took = (hrtime(true) - $started) / 1e6;
    return $status === 0 ? $took : throw new \RuntimeException("a process ended with $status");
}

$ms = ['first' => [], 'empty' => [], 'difference' => []];
for ($run = -2; $run < 60; $run++) {
    // Which of them comes first changes, so that neither always follows the other.
    $first = $run % 2 === 0 ? processMs(__DIR__ . '/first_key.php') : null;
    $empty = processMs('-r', '');
    $first ??= processMs(__DIR__ . '/first_key.php');
    if ($run >= 0) {
        $ms['first'][] = $first;
        $ms['empty'][] = $empty;
        $ms['difference'][] = $first - $empty;
    }
}
echo json_encode([
    'figure' => 'P6 first key',
    'host' => 'php',
    'first_key_ms' => round(quantile($ms['first'], 0.5), 2),
    'empty_ms' => round(quantile($ms['empty'], 0.5), 2),
    'difference_ms' => round(quantile($ms['difference'], 0.5), 2),
    'runs' => count($ms['first']),
], JSON_THROW_ON_ERROR), "\n";

<?php

declare(strict_types=1);

/* All vectors, in every form of the host; and the hand-written rules of the benchmark. */

namespace Provident\Identity\Tests;

use Provident\Identity\Bench\HandWritten;
use Provident\Identity\Bench\Tuned;
use Provident\Identity\GovernedSubject;
use Provident\Identity\Refusal;

$typed = static fn (array $vector): bool =>
    array_intersect($vector['flags'], ['line-only', 'process-only']) === [];
$derives = static fn (array $vector): bool => $typed($vector) && $vector['op'] === 'derive';
$told = static function (string $form, callable $runs): string {
    $all = Vectors::all();
    $vectors = array_values(array_filter($all, $runs));
    Check::true($vectors !== [], 'there are vectors');
    $passed = Vectors::run($form, $vectors);
    return "$passed passed, " . count($all) - $passed . ' are not for this form';
};
/** Holds a function of the benchmark to every vector about deriving. */
$derived = static function (callable $derive) use ($derives): string {
    $passed = 0;
    foreach (array_filter(Vectors::all(), $derives) as $vector) {
        $input = json_decode($vector['line'], true)['input'] ?? [];
        $answer = $derive(GovernedSubject::fromArray($input));
        $expect = $vector['expect'];
        Check::same(
            isset($expect->ok) ? $expect->ok->key : [$expect->error->code, $expect->error->field],
            $answer instanceof Refusal ? [$answer->code->value, $answer->field] : $answer->value,
            $vector['id'],
        );
        $passed++;
    }
    Check::true($passed > 2_000, 'there are vectors about deriving');
    return "$passed passed";
};

return [
    'lines' => static fn () => $told('lines', static fn (): bool => true),
    'calls' => static fn () => $told('calls', $typed),
    'many' => static fn () => $told('many', $derives),
    'the hand-written rules of the benchmark' => static fn (): string => $derived(HandWritten::derive(...)),
    'the tuned rules of the benchmark' => static fn (): string => $derived(Tuned::derive(...)),
];

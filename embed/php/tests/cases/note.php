<?php

declare(strict_types=1);

/* A note is shown to nobody by accident. */

namespace Provident\Identity\Tests;

use Provident\Identity\ActorKind;
use Provident\Identity\Adapter;
use Provident\Identity\Decision;
use Provident\Identity\DecisionAction;
use Provident\Identity\DecisionRefused;
use Provident\Identity\HandleClosed;
use Provident\Identity\Identity;
use Provident\Identity\ProvidentException;

const NOTE = 'agreed with the owners of the front door';

$decision = static fn (): Decision => new Decision(
    DecisionAction::Create,
    ActorKind::Operator,
    null,
    'provider:fake:policy:t:r:id:1',
    note: NOTE,
);
$hidden = static fn (string $shown, string $where) =>
    Check::true(!str_contains($shown, 'agreed') && !str_contains($shown, 'front door'), "$where hides the note");
$dumped = static function (callable $dump): string {
    ob_start();
    $dump();
    return (string) ob_get_clean();
};
/** Everything an exception can tell, arguments of its trace and what came before it included. */
$told = static function (\Throwable $error) use ($dumped): string {
    $told = '';
    for (; $error !== null; $error = $error->getPrevious()) {
        $told .= "$error" . json_encode($error->getTrace(), JSON_PARTIAL_OUTPUT_ON_ERROR)
            . $dumped(static fn () => var_dump($error)) . print_r($error, true);
    }
    return $told;
};

return [
    'in what a decision shows of itself' => static function () use ($decision, $hidden, $dumped): void {
        $one = $decision();
        Check::same(NOTE, $one->note());
        $shown = $dumped(static fn () => var_dump($one));
        Check::true(str_contains($shown, 'provider:fake') && str_contains($shown, '(hidden)'), 'the rest is shown');
        $hidden($shown, 'var_dump');
        $hidden(print_r($one, true), 'print_r');
        $hidden(var_export($one, true), 'var_export');
        $hidden((string) json_encode($one), 'json_encode');
        $hidden(print_r((array) $one, true), 'a cast');
        $hidden(print_r(get_object_vars($one), true), 'get_object_vars');
        $hidden(print_r(new \ReflectionObject($one), true), 'reflection');
        $hidden(var_export([$one], true), 'an array of it');
        $none = new Decision(DecisionAction::Revoke, ActorKind::Operator, null, 'k');
        Check::same(null, $none->note());
        Check::same(null, $none->__debugInfo()['note']);
    },
    'by refusing to be serialized or cloned' => static function () use ($decision): void {
        $one = $decision();
        Check::throws(\LogicException::class, static fn () => serialize($one));
        Check::throws(\LogicException::class, static fn () => serialize(['job' => $one]));
        Check::throws(\Error::class, static fn () => clone $one);
        Check::throws(\LogicException::class, static fn () => unserialize('O:27:"Provident\Identity\Decision":0:{}'));
    },
    'when the decision is gone, with it' => static function () use ($decision): void {
        $notes = new \ReflectionProperty(Decision::class, 'notes');
        $before = count($notes->getValue());
        $one = $decision();
        Check::same($before + 1, count($notes->getValue()));
        unset($one);
        Check::same($before, count($notes->getValue()));
    },
    'in what is thrown' => static function () use ($decision, $hidden, $told): void {
        ini_set('zend.exception_ignore_args', '0');
        ini_set('zend.exception_string_param_max_len', '1000');
        $identity = Identity::open();
        $with = static fn (array $changed): array => $changed + ['action' => 'create', 'actor' => 'operator',
            'mode' => 'manual_binding', 'subject' => 'provider:fake:policy:t:r:id:1', 'note' => NOTE];
        foreach (
            [
                [DecisionRefused::class, static fn () => $identity->decide($decision())],
                [DecisionRefused::class, static fn () => $identity->decide(Decision::fromArray($with([])))],
                [DecisionRefused::class, static fn () => $identity->decide(Decision::fromArray(
                    $with(['note' => NOTE . "\x07"]),
                ))],
                [DecisionRefused::class, static fn () => $identity->decide(Decision::fromArray(
                    $with(['note' => NOTE . "\xFF"]),
                ))],
                [DecisionRefused::class, static fn () => $identity->decide(Decision::fromArray(
                    $with(['note' => str_repeat(NOTE, 60)]),
                ))],
                [DecisionRefused::class, static fn () => $identity->decide(Decision::fromArray(
                    $with(['note' => str_repeat(NOTE, 6_000)]),
                ))],
                [ProvidentException::class, static fn () => $identity->decide(Decision::fromArray(
                    $with(['mode' => 'none']),
                ))],
                [ProvidentException::class, static fn () => $identity->batch(NOTE . "\xFF")],
                [ProvidentException::class, static fn () => Adapter::open('fake')->describe(NOTE . "\xFF")],
                [ProvidentException::class, static fn () => Decision::fromArray($with(['actor' => NOTE[0]]))],
                [ProvidentException::class, static fn () => Decision::fromArray($with(['more' => 1]))],
            ] as $at => [$class, $call]
        ) {
            $error = Check::throws($class, $call);
            $shown = $told($error);
            Check::true(str_contains($shown, 'Provident'), 'something is told');
            if (PHP_VERSION_ID >= 80200) {
                $hidden($shown, "exception $at");
            } else {
                $hidden($error->getMessage(), "exception $at");
            }
        }
        $identity->close();
        $hidden($told(Check::throws(HandleClosed::class, static fn () => $identity->decide($decision()))), 'closed');
    },
];

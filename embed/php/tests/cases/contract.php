<?php

declare(strict_types=1);

/* What stands here as well as in the contract and in the C header is the same. */

namespace Provident\Identity\Tests;

use Provident\Identity\ActorKind;
use Provident\Identity\BindingStatus;
use Provident\Identity\DecisionAction;
use Provident\Identity\ErrorCode;
use Provident\Identity\KeyForm;
use Provident\Identity\Library;
use Provident\Identity\ResolutionMode;
use Provident\Identity\SubjectClass;
use Provident\Identity\SupportLevel;

// The values of an enum of the contract, each with what is said of it.
$declared = static function (string $name): array {
    $wit = (string) file_get_contents(dirname(__DIR__, 4) . '/wit/identity.wit');
    Check::same(1, preg_match("/\\benum $name \\{(.*?)\\}/s", preg_replace('/`[^`\n]*`/', '`…`', $wit)), $name);
    preg_match("/\\benum $name \\{\n(.*?)\n    \\}/s", $wit, $body);
    preg_match_all('/^\s+\/\/\/ ([^\n]+)\n\s+([a-z0-9-]+),$/m', $body[1], $found);
    return array_combine($found[2], $found[1]);
};
$snake = static fn (string $kebab): string => strtr($kebab, '-', '_');
$values = static fn (string $enum): array => array_map(static fn (\BackedEnum $case) => $case->value, $enum::cases());

// The functions a header declares, their types with `char` for bytes.
$functions = static function (string $header): array {
    $header = preg_replace('~/\*.*?\*/|//[^\n]*~s', ' ', $header);
    $found = preg_match_all('/\b(int32_t|const char \*|void)\s*(provident_\w+)\s*\(([^)]*)\)\s*;/', $header, $all);
    $read = [];
    for ($at = 0; $at < $found; $at++) {
        $arguments = array_map(static function (string $argument): string {
            $type = preg_replace('/\s+/', ' ', trim($argument));
            $type = preg_replace('/\b\w+$/', '', $type) ?: $type;
            return strtr(preg_replace('/\s*\*\s*/', '*', trim($type)), ['uint8_t' => 'char']);
        }, explode(',', $all[3][$at] === 'void' ? '' : $all[3][$at]));
        $read[$all[2][$at]] = trim($all[1][$at]) . '(' . implode(', ', $arguments) . ')';
    }
    ksort($read);
    return $read;
};

$cases = [];
foreach (
    [
        'subject-class' => SubjectClass::class,
        'resolution-mode' => ResolutionMode::class,
        'binding-status' => BindingStatus::class,
        'support-level' => SupportLevel::class,
        'decision-action' => DecisionAction::class,
        'actor-kind' => ActorKind::class,
    ] as $name => $enum
) {
    $cases["`$name` has the values of the contract, in its order"] = static fn () =>
        Check::same(array_map($snake, array_keys($declared($name))), $values($enum));
}
return $cases + [
    '`key-form` has the values of the contract, in its order' => static fn () =>
        Check::same(array_keys($declared('key-form')), $values(KeyForm::class)),
    '`error-code` has the values of the contract, in its order' => static fn () =>
        Check::same(array_keys($declared('error-code')), $values(ErrorCode::class)),
    'a code means what the contract says' => static function () use ($declared): void {
        foreach ($declared('error-code') as $code => $said) {
            $said = rtrim($said, '.');
            $meaning = ErrorCode::from($code)->meaning();
            Check::same(lcfirst($said), $meaning, $code);
        }
    },
    'the header is that of the C library' => static function () use ($functions): string {
        $path = getenv('PROVIDENT_HEADER') ?: dirname(__DIR__, 3) . '/c/include/provident.h';
        Check::true(is_file($path), "the header of the C library is at $path (or PROVIDENT_HEADER)");
        $theirs = $functions((string) file_get_contents($path));
        $ours = $functions(Library::header());
        Check::same(11, count($ours), 'functions declared here');
        Check::same($ours, array_intersect_key($theirs, $ours));
        return count($ours) . ' functions';
    },
];

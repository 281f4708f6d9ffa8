<?php

declare(strict_types=1);

namespace Provident\Identity\Tests;

/**
 * What a test holds; anything else is thrown.
 */
final class Check
{
    public static function same(mixed $expected, mixed $got, string $of = 'value'): void
    {
        if ($expected !== $got) {
            self::fail("$of: expected " . self::show($expected) . ', got ' . self::show($got));
        }
    }

    public static function true(bool $holds, string $what): void
    {
        if (!$holds) {
            self::fail("it does not hold that $what");
        }
    }

    /** @param class-string<\Throwable> $class */
    public static function throws(string $class, callable $call): \Throwable
    {
        try {
            $call();
        } catch (\Throwable $error) {
            if ($error instanceof $class) {
                return $error;
            }
            throw $error;
        }
        self::fail("nothing was thrown, where $class is expected");
    }

    /** A refusal with this code and field, one that can be shown to people. */
    public static function refused(string $class, string $code, ?string $field, callable $call): \Throwable
    {
        $error = self::throws($class, $call);
        self::same([$code, $field], [$error->errorCode(), $error->field()], 'code and field');
        self::true(strlen($error->getMessage()) < 400, 'the message is short');
        self::true(preg_match('/[\x00-\x1F\x7F]/', $error->getMessage()) === 0, 'the message is printable');
        self::true(preg_match('//u', $error->getMessage()) === 1, 'the message is UTF-8');
        return $error;
    }

    public static function fail(string $message): never
    {
        throw new \Exception($message);
    }

    private static function show(mixed $value): string
    {
        $shown = json_encode($value, JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_INVALID_UTF8_SUBSTITUTE);
        return strlen((string) $shown) > 600 ? substr((string) $shown, 0, 600) . '…' : (string) $shown;
    }
}

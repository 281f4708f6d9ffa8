<?php

declare(strict_types=1);

namespace Provident\Identity\Tests;

/**
 * The vectors of the project, and replies compared with what they expect.
 *
 * A vector: `id`, `adapter` (a name or null), `line` (the request's bytes), `op` (or null), `expect`, `flags`.
 */
final class Vectors
{
    /** @return list<array{id: string, adapter: ?string, line: string, op: ?string, expect: mixed, flags: list<string>}> */
    public static function all(): array
    {
        $vectors = [];
        foreach (glob(dirname(__DIR__, 3) . '/tests/vectors/*.ndjson') as $file) {
            $adapter = preg_match('/^adapt-(.+)\.ndjson$/', basename($file), $found) === 1 ? $found[1] : null;
            foreach (file($file, FILE_IGNORE_NEW_LINES) as $text) {
                $vector = json_decode($text, false, 64, JSON_THROW_ON_ERROR);
                $request = $vector->request ?? null;
                $vectors[] = [
                    'id' => $vector->id,
                    'adapter' => $adapter,
                    'line' => match (true) {
                        $request !== null => self::json($request),
                        isset($vector->line) => $vector->line,
                        default => base64_decode($vector->line_base64, true),
                    },
                    'op' => $request->op ?? null,
                    'expect' => $vector->expect,
                    'flags' => $vector->flags ?? [],
                ];
            }
        }
        return $vectors;
    }

    /**
     * Sends vectors to a form of the host, all together but those that must stand at the start of a stream.
     *
     * @param list<array<string, mixed>> $vectors
     * @return int how many got the reply they must get
     */
    public static function run(string $form, array $vectors): int
    {
        $groups = [];
        foreach ($vectors as $vector) {
            $alone = in_array('stream-start', $vector['flags'], true);
            $groups[$alone ? $vector['id'] : 'adapter ' . $vector['adapter']][] = $vector;
        }
        $passed = 0;
        foreach ($groups as $group) {
            $adapter = $group[0]['adapter'] === null ? [] : ['--adapter', $group[0]['adapter']];
            $host = [PHP_BINARY, dirname(__DIR__) . '/tests/host.php', $form, ...$adapter];
            $lines = implode('', array_map(static fn (array $vector): string => "{$vector['line']}\n", $group));
            $run = Process::run($host, $lines);
            Check::same('', $run['stderr'], "what `$form` wrote to standard error");
            Check::same(0, $run['status'], "the status of `$form`");
            $replies = explode("\n", $run['stdout']);
            Check::same('', array_pop($replies), 'what stands behind the last line end');
            Check::same(count($group), count($replies), 'replies');
            foreach ($group as $at => $vector) {
                self::compare($form, $vector, $replies[$at]);
                $passed++;
            }
        }
        return $passed;
    }

    /** @param array<string, mixed> $vector */
    private static function compare(string $form, array $vector, string $reply): void
    {
        $got = json_decode($reply, false, 64, JSON_THROW_ON_ERROR);
        $refusals = [...(isset($got->error) ? [$got->error] : []), ...($got->errors ?? [])];
        foreach ($got->ok->items ?? [] as $item) {
            if (isset($item->error)) {
                $refusals[] = $item->error;
            }
        }
        foreach ($refusals as $refusal) {
            $message = $refusal->message ?? '';
            Check::true(preg_match('/^[a-z`]/', $message) === 1, "{$vector['id']}: `$message` starts in lower case");
            Check::true(!str_ends_with($message, '.'), "{$vector['id']}: `$message` has no full stop");
            unset($refusal->message);
        }
        $expect = $vector['expect'];
        if ($form === 'many' && isset($expect->ok)) {
            $expect = clone $expect;
            $expect->ok = (object) ['key' => $expect->ok->key];
        }
        Check::same(self::sorted($expect), self::sorted($got), $vector['id']);
    }

    /** JSON in which the order of members says nothing. */
    private static function sorted(mixed $value): string
    {
        $sort = static function (mixed $value) use (&$sort): mixed {
            if ($value instanceof \stdClass) {
                $members = (array) $value;
                ksort($members, SORT_STRING);
                return (object) array_map($sort, $members);
            }
            return is_array($value) ? array_map($sort, $value) : $value;
        };
        return self::json($sort($value));
    }

    private static function json(mixed $value): string
    {
        $flags = JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_LINE_TERMINATORS;
        return json_encode($value, $flags | JSON_PRESERVE_ZERO_FRACTION | JSON_THROW_ON_ERROR);
    }
}

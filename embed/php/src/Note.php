<?php

declare(strict_types=1);

namespace Provident\Identity;

/**
 * A note on its way to the component, which takes less at once than a note may have by mistake.
 *
 * @internal
 */
final class Note
{
    /** What no note has, in Unicode scalar values. */
    private const TOO_MANY = 2_001;
    /** A note of so many bytes goes as it is. */
    private const PLAIN_BYTES = 8_192;
    private const WHITE_SPACE = '[\x{9}-\x{D} \x{85}\x{A0}\x{1680}\x{2000}-\x{200A}'
        . '\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}]';
    private const CONTROL = '/[\x{0}-\x{8}\x{B}-\x{1F}\x{7F}-\x{9F}]/u';

    /**
     * The note, or another one that breaks the same rules and fits a request.
     *
     * @param string $note UTF-8
     */
    public static function asJudged(#[\SensitiveParameter] string $note): string
    {
        if (strlen($note) <= self::PLAIN_BYTES) {
            return $note;
        }
        $space = self::WHITE_SPACE;
        $note = strtr($note, ["\r\n" => "\n", "\r" => "\n"]);
        // Both are linear: none begins within a run of white space, and none gives any of it back.
        $note = (string) preg_replace(["/\\A$space++/u", "/(?<!$space)$space++\\z/u"], '', $note);
        if (preg_match('/\A.{' . self::TOO_MANY . '}/us', $note) !== 1) {
            return $note;
        }
        return str_repeat('x', self::TOO_MANY)
            . (preg_match(self::CONTROL, $note) === 1 ? "\x01" : '')
            . (preg_match(self::noncharacter(), $note) === 1 ? "\u{FFFE}" : '');
    }

    /** U+FDD0 to U+FDEF, and the last two of every plane. */
    private static function noncharacter(): string
    {
        $last = array_map(static fn (int $plane): string => sprintf('\x{%XFFFE}\x{%1$XFFFF}', $plane), range(0, 16));
        return '/[\x{FDD0}-\x{FDEF}' . implode('', $last) . ']/u';
    }
}

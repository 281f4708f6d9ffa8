<?php

declare(strict_types=1);

namespace Provident\Identity;

/**
 * What PHP's strings can be and the component's texts cannot: bytes that are not UTF-8.
 *
 * @internal
 */
final class Text
{
    public static function isUtf8(#[\SensitiveParameter] string $text): bool
    {
        return preg_match('//u', $text) === 1;
    }

    /**
     * The refusal of the first text, in the order given, that is not UTF-8.
     *
     * @param array<string, string|null> $texts by field
     */
    public static function refusal(#[\SensitiveParameter] array $texts): ?Refusal
    {
        foreach ($texts as $field => $text) {
            if ($text !== null && !self::isUtf8($text)) {
                return Refusal::of(ErrorCode::InvalidUtf8, $field);
            }
        }
        return null;
    }
}

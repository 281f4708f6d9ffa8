<?php

declare(strict_types=1);

namespace Provident\Identity;

/**
 * The line protocol over streams of any length: one JSON request a line, one reply a line, in order.
 *
 * The component answers text; what cannot be text, or be held in memory, is dealt with here: lines that are not UTF-8,
 * lines without end, and streams longer than one batch.
 */
final class Lines
{
    /** A line over this is refused whatever it holds, so no more of it is kept. */
    private const LINE_BYTES = 65_536;
    /** How much is read, and then answered, at once: with the rest of a line before it, it fits a batch. */
    private const READ_BYTES = 256 << 10;
    private const BYTE_ORDER_MARK = "\u{FEFF}";

    private string $batch = '';

    /**
     * @param Adapter|null $adapter answers the op `adapt`
     */
    public function __construct(private readonly Identity $identity, private readonly ?Adapter $adapter = null)
    {
    }

    /**
     * Answers every request line of `$input` on `$output`, as soon as it has come, until the input ends. Memory stays
     * bounded whatever comes in.
     *
     * @param resource $input
     * @param resource $output
     * @throws ComponentFailed
     * @throws HandleClosed
     * @throws \RuntimeException if reading or writing failed
     */
    public function answer($input, $output): void
    {
        $this->batch = '';
        $line = '';
        $atStart = true;
        while (!feof($input)) {
            $read = fread($input, self::READ_BYTES);
            if ($read === false) {
                throw new \RuntimeException('the input cannot be read');
            }
            $pieces = explode("\n", $read);
            $rest = array_pop($pieces);
            foreach ($pieces as $piece) {
                $this->take(self::withoutMark(self::joined($line, $piece), $atStart), $output);
                $atStart = false;
                $line = '';
            }
            $line = self::joined($line, $rest);
            $this->answerBatch($output);
        }
        $this->take(self::withoutMark($line, $atStart), $output);
        $this->answerBatch($output);
    }

    /** One byte over the limit is enough to know, so no more of a line is ever kept. */
    private static function joined(string $line, string $piece): string
    {
        $room = self::LINE_BYTES + strlen(self::BYTE_ORDER_MARK) + 1 - strlen($line);
        return $line . substr($piece, 0, $room);
    }

    /** The line without the byte-order mark a stream may start with. */
    private static function withoutMark(string $line, bool $atStart): string
    {
        return $atStart && str_starts_with($line, self::BYTE_ORDER_MARK)
            ? substr($line, strlen(self::BYTE_ORDER_MARK))
            : $line;
    }

    /** @param resource $output */
    private function take(string $line, $output): void
    {
        if (strlen($line) > self::LINE_BYTES) {
            // The component refuses it by its length; which bytes they are does not matter any more.
            $this->batch .= str_repeat('x', self::LINE_BYTES + 1) . "\n";
        } elseif (Text::isUtf8($line)) {
            if ($this->batch === '' && str_starts_with($line, self::BYTE_ORDER_MARK)) {
                // Only a stream may start with a mark, and this is the middle of one.
                $this->batch = "\n";
            }
            $this->batch .= "$line\n";
        } else {
            $this->answerBatch($output);
            $refusal = new Refusal(ErrorCode::InvalidUtf8, 'request', 'the line is not UTF-8');
            self::write(json_encode(['error' => $refusal], JSON_THROW_ON_ERROR) . "\n", $output);
        }
    }

    /** @param resource $output */
    private function answerBatch($output): void
    {
        $batch = $this->batch;
        $this->batch = '';
        if ($batch !== '') {
            self::write($this->identity->batch($batch, $this->adapter), $output);
        }
    }

    /** @param resource $output */
    private static function write(string $replies, $output): void
    {
        for ($written = 0; $written < strlen($replies); $written += $count) {
            $count = fwrite($output, $written === 0 ? $replies : substr($replies, $written));
            if ($count === false || $count === 0) {
                throw new \RuntimeException('the output cannot be written');
            }
        }
        fflush($output);
    }
}

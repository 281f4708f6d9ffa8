<?php

declare(strict_types=1);

namespace Provident\Identity;

/**
 * The identity component, open: it derives keys, takes them apart, describes resources and judges decisions.
 *
 * Opening is cheap after the first time in a process. One object serves a whole process; it is closed by
 * {@see close()} or when nobody holds it any more.
 */
final class Identity
{
    /** What one call takes. */
    private const CALL_BYTES = 1 << 20;
    /** So many lines are answered in one call: replies may be much longer than what is asked. */
    private const CALL_LINES = 4_096;
    private const LINE_BYTES = 65_536;
    private const KEY_BYTES = 1_024;
    private const BYTE_ORDER_MARK = "\u{FEFF}";
    private const JSON = JSON_THROW_ON_ERROR | JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE;

    private function __construct(private readonly Handle $handle)
    {
    }

    /**
     * Opens the component that is inside the library; nothing is compiled.
     *
     * @param string|null $library the path of the library; else that of `PROVIDENT_LIBRARY`, else `lib` of the package
     * @throws LibraryMissing
     * @throws LibraryUnusable
     * @throws ComponentFailed
     */
    public static function open(?string $library = null): self
    {
        $library = Library::load($library);
        return new self(new Handle($library, 'identity component', $library->openIdentity()));
    }

    /**
     * Compiles and opens a component file, which must be the one that was pinned.
     *
     * @param string $path of the component file
     * @param string $sha256 of the file, lower-case hex
     * @param string|null $cache a folder that keeps what was compiled; without it every process compiles
     * @throws LibraryMissing
     * @throws LibraryUnusable
     * @throws ComponentFailed `component-digest-mismatch`, `component-unusable`
     */
    public static function openFile(
        string $path,
        string $sha256,
        ?string $cache = null,
        ?string $library = null,
    ): self {
        $library = Library::load($library);
        $opened = $library->openIdentityFile($path, $sha256, $cache);
        return new self(new Handle($library, 'identity component', $opened));
    }

    /**
     * Derives the key of one subject.
     *
     * @throws IdentityRefused the first rule the subject breaks
     * @throws ComponentFailed
     * @throws HandleClosed
     */
    public function derive(GovernedSubject $subject): CanonicalSubjectKey
    {
        $answer = $this->deriveMany([$subject])[0];
        return $answer instanceof Refusal ? throw new IdentityRefused($answer) : $answer;
    }

    /**
     * Derives many keys, in few calls. Each subject is answered for itself, in order: a refused one never spoils the
     * others. A subject whose texts are over 1 MiB together is refused with `request-too-large`.
     *
     * @param iterable<GovernedSubject> $subjects
     * @return list<CanonicalSubjectKey|Refusal>
     * @throws ComponentFailed
     * @throws HandleClosed
     */
    public function deriveMany(iterable $subjects): array
    {
        $number = $this->handle->number();
        $library = $this->handle->library;
        $call = static fn (string $records): string => $library->deriveFlat($number, $records);
        return FlatRecords::derive($subjects, $call, self::CALL_BYTES);
    }

    /**
     * Takes a key apart. Accepts exactly what deriving can produce.
     *
     * @throws IdentityRefused the first rule the key breaks
     * @throws ComponentFailed
     * @throws HandleClosed
     */
    public function parse(CanonicalSubjectKey|string $key): ParsedKey
    {
        $parsed = $this->askAboutKey('parse', (string) $key);
        return new ParsedKey(
            $parsed['provider_key'],
            SubjectClass::from($parsed['subject_class']),
            $parsed['subject_type_key'],
            $parsed['resource_type'],
            KeyForm::from($parsed['form']),
            $parsed['value'],
        );
    }

    /**
     * The digest of a key, which is parsed first: `sha256:` and lower-case hex.
     *
     * @throws IdentityRefused the first rule the key breaks
     * @throws ComponentFailed
     * @throws HandleClosed
     */
    public function digest(CanonicalSubjectKey|string $key): string
    {
        return $this->askAboutKey('digest', (string) $key)['digest'];
    }

    /**
     * Validates a descriptor and renders it. Written as JSON it has at most 65,536 bytes, the label aside.
     *
     * @throws IdentityRefused the first rule the descriptor breaks
     * @throws ComponentFailed
     * @throws HandleClosed
     */
    public function describe(ProviderResourceDescriptor $descriptor): Described
    {
        $input = $descriptor->toArray();
        $identity = $descriptor->identity->toArray();
        $texts = array_filter($identity + $input, is_string(...));
        // No rule is about the label, and no answer holds it.
        unset($input['display_label']);
        $this->holdToSize(array_diff_key($texts, ['display_label' => true]));
        $described = $this->ask('describe', $input, $texts);
        return new Described(
            CanonicalSubjectKey::fromStored($described['key']),
            $described['canonical'],
            $described['digest'],
        );
    }

    /**
     * Judges a decision; a permitted one is answered with nothing. Its texts have at most 1 MiB together.
     *
     * @throws DecisionRefused every rule the decision breaks, in their order
     * @throws ComponentFailed
     * @throws HandleClosed
     */
    public function decide(Decision $decision): void
    {
        $refusals = [];
        try {
            [$input, $texts] = self::inputOf($decision);
            $this->holdToSize($texts);
            $this->ask('decide', $input, $texts);
        } catch (IdentityRefused $refused) {
            $refusals = [$refused->refusal];
        } catch (DecisionRefused $refused) {
            $refusals = $refused->refusals;
        }
        // What the component says of the length of a stand-in is not true of the text given.
        $refusals = array_map(static fn (Refusal $one): Refusal =>
            in_array($one->code, [ErrorCode::NoteTooLong, ErrorCode::KeyTooLong], true)
                ? Refusal::of($one->code, $one->field)
                : $one, $refusals);
        if ($refusals !== []) {
            // Thrown here, where no argument on the way holds the note.
            throw new DecisionRefused(...$refusals);
        }
    }

    /**
     * Answers one JSON request a line with one reply a line, in order. At most 1 MiB; {@see Lines} cuts longer streams.
     *
     * @param Adapter|null $adapter answers the op `adapt`
     * @throws IdentityRefused `invalid-utf8`
     * @throws ComponentFailed `input-too-large`
     * @throws HandleClosed
     */
    public function batch(#[\SensitiveParameter] string $ndjson, ?Adapter $adapter = null): string
    {
        $number = $this->handle->number();
        $with = $adapter === null ? 0 : $adapter->handle()->number();
        if (strlen($ndjson) > self::CALL_BYTES) {
            $message = 'the input has ' . strlen($ndjson) . ' bytes, over ' . self::CALL_BYTES;
            throw new ComponentFailed('input-too-large', null, $message);
        }
        if (!Text::isUtf8($ndjson)) {
            throw new IdentityRefused(Refusal::of(ErrorCode::InvalidUtf8, 'request'));
        }
        $replies = '';
        for ($start = 0; ; $start = $end) {
            $end = self::endOfCall($ndjson, $start);
            $lines = $start === 0 && $end === strlen($ndjson) ? $ndjson : substr($ndjson, $start, $end - $start);
            if ($start > 0 && str_starts_with($lines, self::BYTE_ORDER_MARK)) {
                // Only the whole input may start with a mark. Blank lines have no reply.
                $lines = "\n$lines";
            }
            $replies .= $this->handle->library->batch($number, $with, $lines);
            if ($end === strlen($ndjson)) {
                return $replies;
            }
        }
    }

    /**
     * What the component is, and its limits.
     *
     * @throws ComponentFailed
     * @throws HandleClosed
     */
    public function about(): IdentityDescription
    {
        $about = json_decode($this->handle->library->about($this->handle->number()), true, 16, JSON_THROW_ON_ERROR);
        $limits = $about['limits'];
        return new IdentityDescription(
            $about['component'],
            $about['component_sha256'],
            $about['engine'],
            $about['library_version'],
            $about['grammar_version'],
            $about['contract_version'],
            new Limits(
                $limits['line_bytes'],
                $limits['batch_bytes'],
                $limits['key_bytes'],
                $limits['type_bytes'],
                $limits['value_bytes'],
                $limits['label_bytes'],
                $limits['note_chars'],
            ),
        );
    }

    /** Closes the component. What is asked later is refused with {@see HandleClosed}; closing twice does nothing. */
    public function close(): void
    {
        $this->handle->close();
    }

    private function __clone()
    {
    }

    /** Where the lines of one call end that begin at `$start`. */
    private static function endOfCall(#[\SensitiveParameter] string $ndjson, int $start): int
    {
        $end = $start;
        for ($lines = 0; $lines < self::CALL_LINES; $lines++) {
            $newline = strpos($ndjson, "\n", $end);
            if ($newline === false) {
                return strlen($ndjson);
            }
            $end = $newline + 1;
        }
        return $end;
    }

    /**
     * Refuses texts that are over what one call takes.
     *
     * @param array<string, string> $texts
     * @throws IdentityRefused `request-too-large`
     * @throws HandleClosed
     */
    private function holdToSize(#[\SensitiveParameter] array $texts): void
    {
        $this->handle->number();
        if (array_sum(array_map(strlen(...), $texts)) > self::CALL_BYTES) {
            throw new IdentityRefused(Refusal::of(ErrorCode::RequestTooLarge, 'request'));
        }
    }

    /** @return array<string, string> */
    private function askAboutKey(string $op, string $key): array
    {
        $this->holdToSize(['key' => $key]);
        // No longer key is one, and the component would say the same of it.
        if (strlen($key) > self::KEY_BYTES && Text::isUtf8($key)) {
            throw new IdentityRefused(Refusal::of(ErrorCode::KeyTooLong, 'key'));
        }
        return $this->ask($op, ['key' => $key], ['key' => $key]);
    }

    /** @return array{array<string, string>, array<string, string>} the input, and the texts in it */
    private static function inputOf(Decision $decision): array
    {
        $texts = array_filter([
            'subject' => $decision->subject,
            'resource' => $decision->resource,
            'note' => $decision->note(),
            'reason' => $decision->reason,
        ], is_string(...));
        $words = ['action' => $decision->action->value, 'actor' => $decision->actor->value];
        if ($decision->modeIsUnknown()) {
            // Which name it was does not matter: it is none of a mode.
            $words['mode'] = '?';
        } elseif ($decision->mode !== null) {
            $words['mode'] = $decision->mode->value;
        }
        $input = $words + $texts;
        if (Text::refusal($texts) === null) {
            // Texts over a limit go as shorter ones that break the same rules, so that all of them fit one line.
            foreach (['subject', 'resource', 'reason'] as $field) {
                if (strlen($input[$field] ?? '') > self::KEY_BYTES) {
                    $input[$field] = str_repeat('x', self::KEY_BYTES + 1);
                }
            }
            if (isset($input['note'])) {
                $input['note'] = Note::asJudged($input['note']);
            }
        }
        return [$input, $texts];
    }

    /**
     * One request as a line, and what its reply says.
     *
     * @param array<string, mixed> $input
     * @param array<string, string> $texts of the input, by field
     * @return array<string, mixed>
     */
    private function ask(string $op, #[\SensitiveParameter] array $input, #[\SensitiveParameter] array $texts): array
    {
        $number = $this->handle->number();
        $refusal = Text::refusal($texts);
        $line = $refusal === null ? json_encode(['op' => $op, 'input' => (object) $input], self::JSON) : '';
        if (strlen($line) > self::LINE_BYTES) {
            $refusal = Refusal::of(ErrorCode::RequestTooLarge, 'request');
        }
        if ($refusal !== null) {
            throw new IdentityRefused($refusal);
        }
        $reply = json_decode($this->handle->library->batch($number, 0, "$line\n"), true, 32, JSON_THROW_ON_ERROR);
        if (isset($reply['ok'])) {
            return $reply['ok'];
        }
        if (isset($reply['errors'])) {
            throw new DecisionRefused(...array_map(self::refusal(...), $reply['errors']));
        }
        throw new IdentityRefused(self::refusal($reply['error']));
    }

    /** @param array{code: string, field: string, message: string} $error */
    private static function refusal(array $error): Refusal
    {
        return new Refusal(ErrorCode::from($error['code']), $error['field'], $error['message']);
    }
}

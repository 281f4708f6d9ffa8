<?php

declare(strict_types=1);

require_once __DIR__ . '/Problem.php';

/**
 * A client for Provident's HTTP interface: PHP 8.1 and no extension but json.
 *
 * One object per token (and, for a trusted backend, per user it acts for). What has no effect is repeated when the
 * service says "not now"; what changes something is repeated too, because it always carries an Idempotency-Key, so that
 * it happens once however often it is asked for. The document at /openapi.json says what there is to ask.
 */
final class Provident
{
    private const ATTEMPTS = 5;
    private const LONGEST_WAIT_S = 30.0;
    /** Longer than the service takes at most, so that it is the one to give up. */
    private const TIMEOUT_S = 40.0;

    public function __construct(
        private readonly string $url,
        #[\SensitiveParameter] private readonly string $token,
        private readonly ?string $onBehalfOf = null,
    ) {
    }

    /** A GET. Parameters that are null are left out. @param array<string, mixed> $parameters */
    public function read(string $path, array $parameters = []): mixed
    {
        $query = http_build_query($parameters, '', '&', PHP_QUERY_RFC3986);
        return $this->send('GET', $query === '' ? $path : "$path?$query", null, []);
    }

    /** A POST that changes nothing: look-ups, keys. @param array<string, mixed> $body */
    public function ask(string $path, array $body): mixed
    {
        return $this->send('POST', $path, $body, []);
    }

    /**
     * A POST that changes something, once: the key names this very change. Keep it if you may ask again later.
     *
     * @param array<string, mixed> $body
     */
    public function change(string $path, array $body, string $key): mixed
    {
        return $this->send('POST', $path, $body, ["Idempotency-Key: $key"]);
    }

    /**
     * What was done since the event numbered $after. Keep the number of the last one you have dealt with.
     *
     * @return Generator<int, array<string, mixed>>
     */
    public function events(string $workspace, string $environment, int $after): Generator
    {
        do {
            $asked = ['environment_id' => $environment, 'after' => $after, 'limit' => 500];
            $page = $this->read("/v1/workspaces/$workspace/audit-events", $asked);
            foreach ($page['items'] as $event) {
                yield $event['number'] => $event;
            }
            $after = $page['next'];
        } while ($after !== null);
    }

    /**
     * @param array<string, mixed>|null $body
     * @param list<string> $headers
     */
    private function send(string $method, string $path, ?array $body, array $headers): mixed
    {
        $headers[] = "Authorization: Bearer {$this->token}";
        if ($this->onBehalfOf !== null) {
            $headers[] = "Provident-On-Behalf-Of: {$this->onBehalfOf}";
        }
        $content = null;
        if ($body !== null) {
            $headers[] = 'Content-Type: application/json';
            $content = json_encode($body, JSON_THROW_ON_ERROR | JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE);
        }
        for ($attempt = 1; ; $attempt++) {
            $waitS = 0.2 * 2 ** $attempt;
            $answer = $this->answer($method, $path, $content, $headers);
            if ($answer === null) {
                // Nobody answered: whether it was done is not known, and asking again is how to find out.
                if ($attempt === self::ATTEMPTS) {
                    throw new RuntimeException("$method {$this->url}: no answer");
                }
            } else {
                [$status, $told, $text] = $answer;
                if ($status >= 200 && $status < 300) {
                    return json_decode($text, true, 512, JSON_THROW_ON_ERROR);
                }
                if (!in_array($status, [429, 503], true) || $attempt === self::ATTEMPTS) {
                    $problem = json_decode($text, true);
                    throw Problem::of($status, is_array($problem) ? $problem : [], $told['x-request-id'] ?? null);
                }
                $said = $told['retry-after'] ?? '';
                $waitS = ctype_digit($said) ? (float) $said : $waitS;
            }
            usleep((int) (min($waitS, self::LONGEST_WAIT_S) * 1e6));
        }
    }

    /**
     * Status, headers and body of an answer; null where there was none.
     *
     * @param list<string> $headers
     * @return array{int, array<string, string>, string}|null
     */
    private function answer(string $method, string $path, ?string $content, #[\SensitiveParameter] array $headers): ?array
    {
        // Redirects are not followed: a token goes to the service it is meant for, and nowhere else.
        $http = ['method' => $method, 'header' => $headers, 'timeout' => self::TIMEOUT_S, 'protocol_version' => 1.1,
            'ignore_errors' => true, 'follow_location' => 0];
        if ($content !== null) {
            $http['content'] = $content;
        }
        $stream = @fopen(rtrim($this->url, '/') . $path, 'rb', false, stream_context_create(['http' => $http]));
        if ($stream === false) {
            return null;
        }
        $text = stream_get_contents($stream);
        $state = stream_get_meta_data($stream);
        fclose($stream);
        $lines = $state['wrapper_data'];
        $told = [];
        foreach (array_slice($lines, 1) as $line) {
            [$name, $value] = explode(':', $line, 2) + [1 => ''];
            $told[strtolower($name)] = trim($value);
        }
        $whole = strlen((string) $text) === (int) ($told['content-length'] ?? strlen((string) $text));
        if ($text === false || $state['timed_out'] || !$whole) {
            return null;
        }
        return [(int) explode(' ', $lines[0])[1], $told, $text];
    }
}

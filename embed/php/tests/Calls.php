<?php

declare(strict_types=1);

namespace Provident\Identity\Tests;

use Provident\Identity\Adapter;
use Provident\Identity\Decision;
use Provident\Identity\DecisionRefused;
use Provident\Identity\GovernedSubject;
use Provident\Identity\Identity;
use Provident\Identity\ProviderResourceDescriptor;
use Provident\Identity\ProvidentException;
use Provident\Identity\IdentityRefused;
use Provident\Identity\Refusal;

/**
 * Requests of the line protocol as typed calls, and what came of them as replies.
 */
final class Calls
{
    private const JSON = JSON_THROW_ON_ERROR | JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE;

    public function __construct(private readonly Identity $identity, private readonly ?Adapter $adapter)
    {
    }

    public static function read(string $line): \stdClass
    {
        return json_decode($line, false, 64, JSON_THROW_ON_ERROR);
    }

    /** The reply to one request line. */
    public function answer(string $line): string
    {
        $request = self::read($line);
        try {
            $reply = ['ok' => $this->call($request)];
        } catch (DecisionRefused $refused) {
            $reply = ['errors' => $refused->refusals];
        } catch (ProvidentException $refused) {
            $reply = ['error' => self::error($refused)];
        }
        return self::reply($request, $reply);
    }

    /**
     * The replies to many requests to derive.
     *
     * @param list<\stdClass> $requests
     * @return list<string>
     */
    public static function many(Identity $identity, array $requests): array
    {
        $subjects = [];
        $replies = [];
        foreach ($requests as $at => $request) {
            try {
                $subjects[$at] = GovernedSubject::fromArray(self::input($request));
            } catch (IdentityRefused $refused) {
                // The request stands for no subject at all.
                $replies[$at] = self::reply($request, ['error' => self::error($refused)]);
            }
        }
        $answers = $identity->deriveMany($subjects);
        if (count($answers) !== count($subjects)) {
            throw new \LogicException('not as many answers as subjects');
        }
        foreach (array_keys($subjects) as $place => $at) {
            $answer = $answers[$place];
            $reply = $answer instanceof Refusal ? ['error' => $answer] : ['ok' => ['key' => $answer]];
            $replies[$at] = self::reply($requests[$at], $reply);
        }
        ksort($replies);
        return array_values($replies);
    }

    private function call(\stdClass $request): mixed
    {
        if ($request->op === 'adapt') {
            $raw = json_encode($request->input->raw, self::JSON | JSON_PRESERVE_ZERO_FRACTION);
            return ['items' => array_map(
                static fn (ProviderResourceDescriptor|Refusal $item): array =>
                    $item instanceof Refusal ? ['error' => $item] : ['descriptor' => $item],
                $this->adapter->describe($raw),
            )];
        }
        $input = self::input($request);
        switch ($request->op) {
            case 'derive':
                $key = $this->identity->derive(GovernedSubject::fromArray($input));
                return ['key' => $key, 'digest' => $key->digest()];
            case 'parse':
                return $this->identity->parse($input['key'] ?? '');
            case 'digest':
                return ['digest' => $this->identity->digest($input['key'] ?? '')];
            case 'describe':
                return $this->identity->describe(ProviderResourceDescriptor::fromArray($input));
            case 'decide':
                $this->identity->decide(Decision::fromArray($input));
                return new \stdClass();
            case 'about':
                $about = $this->identity->about();
                return [
                    'grammar_version' => $about->grammarVersion,
                    'contract_version' => $about->contractVersion,
                    'limits' => $about->limits,
                ];
            default:
                throw new \LogicException("no typed call stands for `{$request->op}`");
        }
    }

    /** @return array<array-key, mixed> */
    private static function input(\stdClass $request): array
    {
        return json_decode(json_encode($request->input ?? new \stdClass(), self::JSON), true, 64, JSON_THROW_ON_ERROR);
    }

    /** @return array{code: string, field: string|null, message: string} */
    private static function error(ProvidentException $refused): array|Refusal
    {
        if ($refused instanceof IdentityRefused) {
            return $refused->refusal;
        }
        return ['code' => $refused->errorCode(), 'field' => $refused->field(), 'message' => $refused->getMessage()];
    }

    /** @param array<string, mixed> $reply */
    private static function reply(\stdClass $request, array $reply): string
    {
        $id = isset($request->id) ? ['id' => $request->id] : [];
        return json_encode($id + $reply, self::JSON);
    }
}

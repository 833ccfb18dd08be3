using System.Text.Json;

namespace Guru.Infrastructure.Sockets;

/// <summary>
/// Walks through a message's members in whatever order they stand, without allocating. Values come as text, be they strings or
/// numbers; one of another kind comes as empty.
/// </summary>
internal ref struct MessageReader
{
    private readonly ReadOnlyMemory<byte> _message;
    private readonly JsonStrings _strings;
    private Utf8JsonReader _json;

    /// <param name="message">One whole message; what is taken from it points into it.</param>
    /// <param name="strings">Keeps what had to be unescaped; reset.</param>
    public MessageReader(ReadOnlyMemory<byte> message, JsonStrings strings)
    {
        _message = message;
        _strings = strings;
        _json = new Utf8JsonReader(message.Span);
        strings.Reset();
    }

    /// <summary>Steps into the object that comes next; a value of another kind is passed over.</summary>
    public bool Enter()
    {
        _json.Read();
        if (_json.TokenType == JsonTokenType.StartObject)
        {
            return true;
        }

        _json.Skip();
        return false;
    }

    /// <summary>Steps to the next member of the object; false at its end.</summary>
    public bool Next() => _json.Read() && _json.TokenType == JsonTokenType.PropertyName;

    public readonly bool Is(ReadOnlySpan<byte> name) => _json.ValueTextEquals(name);

    public void Skip()
    {
        _json.Read();
        _json.Skip();
    }

    public ReadOnlyMemory<byte> Text()
    {
        _json.Read();
        switch (_json.TokenType)
        {
            case JsonTokenType.String:
                return _strings.Take(ref _json, _message);
            case JsonTokenType.Number:
                return _message.Slice((int)_json.TokenStartIndex, _json.ValueSpan.Length);
            default:
                _json.Skip();
                return default;
        }
    }

    /// <summary>Nothing follows the message's object.</summary>
    public bool AtEnd() => !_json.Read();
}

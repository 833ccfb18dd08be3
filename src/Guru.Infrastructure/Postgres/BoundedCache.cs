using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;

namespace Guru.Infrastructure.Postgres;

/// <summary>Two generations: when the young one is full it becomes the old one, and what was not used since is dropped.</summary>
internal sealed class BoundedCache<TKey, TValue>(int most)
    where TKey : notnull
{
    private ConcurrentDictionary<TKey, TValue> _young = new();
    private ConcurrentDictionary<TKey, TValue> _old = new();
    private int _size;

    public bool TryGet(TKey key, [MaybeNullWhen(false)] out TValue value)
    {
        if (_young.TryGetValue(key, out value))
        {
            return true;
        }

        if (_old.TryGetValue(key, out value))
        {
            Set(key, value);
            return true;
        }

        return false;
    }

    public void Set(TKey key, TValue value)
    {
        if (_young.TryAdd(key, value))
        {
            if (Interlocked.Increment(ref _size) > most / 2)
            {
                _old = Interlocked.Exchange(ref _young, new());
                Interlocked.Exchange(ref _size, 0);
            }
        }
        else
        {
            _young[key] = value;
        }
    }

    public void Clear()
    {
        _old = new();
        _young = new();
        Interlocked.Exchange(ref _size, 0);
    }
}

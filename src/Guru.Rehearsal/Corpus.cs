namespace Guru.Rehearsal;

/// <summary>Traces of calls as files, to be replayed whenever the rules change.</summary>
public static class Corpus
{
    /// <summary>Writes a call's traces, one file for each stream, in place of those of the same name.</summary>
    public static void Write(DirectoryInfo folder, string name, IReadOnlyList<string> traces)
    {
        folder.Create();
        foreach (var (trace, number) in traces.Select((trace, index) => (trace, index + 1)))
        {
            File.WriteAllText(Path.Combine(folder.FullName, traces.Count == 1 ? $"{name}.trace" : $"{name}.{number}.trace"), trace);
        }
    }
}

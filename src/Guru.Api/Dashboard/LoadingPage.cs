using Guru.Api.Reading;
using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.Components.Routing;
using Microsoft.AspNetCore.WebUtilities;

namespace Guru.Api.Dashboard;

/// <summary>
/// A page that shows what it reads. It reads when it has become interactive (what comes before is the frame), and again when its address changes;
/// a later reading ends an earlier one.
/// </summary>
public abstract class LoadingPage : ComponentBase, IDisposable
{
    private CancellationTokenSource _reading = new();
    private string _address = "";

    private protected bool IsLoading { get; private set; } = true;

    /// <summary>Why there is nothing to show.</summary>
    private protected string? Problem { get; set; }

    [CascadingParameter]
    private protected Viewer Viewer { get; set; } = null!;

    [Inject]
    private protected NavigationManager Navigation { get; set; } = null!;

    [Inject]
    private ILoggerFactory Loggers { get; set; } = null!;

    private protected Uri Here => new(Navigation.Uri);

    /// <summary>Ends when the page is left, or reads again.</summary>
    protected CancellationToken Reading => _reading.Token;

    protected abstract Task LoadAsync(CancellationToken cancellationToken);

    protected override void OnInitialized() => Navigation.LocationChanged += Moved;

    protected override Task OnParametersSetAsync() => RendererInfo.IsInteractive ? ReloadAsync() : Task.CompletedTask;

    private protected async Task ReloadAsync()
    {
        _address = Here.PathAndQuery;
        await _reading.CancelAsync();
        _reading.Dispose();
        _reading = new CancellationTokenSource();
        var reading = _reading.Token;
        (IsLoading, Problem) = (true, null);
        StateHasChanged();
        try
        {
            await LoadAsync(reading);
        }
        catch (OperationCanceledException) when (reading.IsCancellationRequested)
        {
            return;
        }
        catch (Exception error)
        {
            Loggers.CreateLogger(GetType()).PageFailed(error, GetType().Name);
            Problem = "This could not be read now. Try again in a moment.";
        }

        IsLoading = false;
        StateHasChanged();
    }

    /// <summary>The query of the page's address, read as the API reads it.</summary>
    private protected QueryReader Query() => new(new QueryCollection(QueryHelpers.ParseQuery(Here.Query)));

    public void Dispose()
    {
        Navigation.LocationChanged -= Moved;
        _reading.Cancel();
        _reading.Dispose();
        Left();
        GC.SuppressFinalize(this);
    }

    protected virtual void Left()
    {
    }

    private void Moved(object? sender, LocationChangedEventArgs e)
    {
        var here = Here;
        if (here.PathAndQuery != _address && here.AbsolutePath == _address.Split('?')[0])
        {
            _ = InvokeAsync(ReloadAsync);
        }
    }
}

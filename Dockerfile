# Guru's host. PostgreSQL is not inside: the container needs DATABASE_URL and GURU_SECRET.
FROM mcr.microsoft.com/dotnet/sdk:10.0 AS build
WORKDIR /source

# Restored apart from the sources, so that a change of code does not fetch packages again.
COPY global.json Directory.Build.props Directory.Packages.props ./
COPY src/Guru.Domain/Guru.Domain.csproj src/Guru.Domain/packages.lock.json src/Guru.Domain/
COPY src/Guru.Application/Guru.Application.csproj src/Guru.Application/packages.lock.json src/Guru.Application/
COPY src/Guru.Infrastructure/Guru.Infrastructure.csproj src/Guru.Infrastructure/packages.lock.json src/Guru.Infrastructure/
COPY src/Guru.SampleData/Guru.SampleData.csproj src/Guru.SampleData/packages.lock.json src/Guru.SampleData/
COPY src/Guru.Api/Guru.Api.csproj src/Guru.Api/packages.lock.json src/Guru.Api/
RUN dotnet restore src/Guru.Api --locked-mode

COPY .editorconfig ./
COPY src/ src/
RUN dotnet publish src/Guru.Api --configuration Release --no-restore --output /app -p:UseAppHost=false

FROM mcr.microsoft.com/dotnet/aspnet:10.0
WORKDIR /app
COPY --from=build /app ./

# The base image names its own port here; Guru listens where PORT says.
ENV ASPNETCORE_HTTP_PORTS= \
    GURU_DATA_DIR=/data \
    PORT=3001
RUN mkdir /data && chown "$APP_UID" /data
USER $APP_UID
VOLUME /data
EXPOSE 3001

# The image has no curl; bash speaks enough HTTP for a status line.
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 \
    CMD ["bash", "-c", "exec 3<>\"/dev/tcp/127.0.0.1/$PORT\" && printf 'GET /health/live HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n' >&3 && read -r _ code _ <&3 && [ \"$code\" = 200 ]"]

ENTRYPOINT ["dotnet", "Guru.Api.dll"]

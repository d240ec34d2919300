# The coordinator, run from source as an unprivileged user.

FROM node:20-slim AS base
ENV CI=true
RUN npm install --global pnpm@10
WORKDIR /app

# Every package manifest with the lock file; `install` is repeated only when one of them changes.
FROM base AS manifests
COPY package.json pnpm-lock.yaml pnpm-workspace.yaml ./
COPY apps apps
COPY packages packages
RUN find apps packages -type f ! -name package.json -delete && find apps packages -type d -empty -delete

# The Prisma client is generated with the development dependencies, which the image then leaves behind.
FROM base AS generated
COPY --from=manifests /app ./
RUN pnpm install --frozen-lockfile --ignore-scripts
COPY prisma.config.ts ./
COPY prisma prisma
RUN pnpm exec prisma generate

# No install scripts: the coordinator needs no native module.
FROM base AS production
COPY --from=manifests /app ./
RUN pnpm install --frozen-lockfile --prod --ignore-scripts

FROM base
ENV NODE_ENV=production \
    KINDRED_HOST=0.0.0.0 \
    KINDRED_PORT=8080 \
    KINDRED_DATA=/var/lib/kindred
COPY --from=production /app ./
COPY LICENSE ./
COPY prisma prisma
COPY apps apps
COPY packages packages
COPY --from=generated /app/apps/coordinator/src/generated apps/coordinator/src/generated
RUN mkdir --mode=0700 /var/lib/kindred && chown node:node /var/lib/kindred
USER node
VOLUME /var/lib/kindred
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=6 \
  CMD ["node", "--eval", "fetch('http://127.0.0.1:' + process.env.KINDRED_PORT + '/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# The dependencies are those of the image: pnpm must not compare them with the lock file, nor install at start-up.
CMD ["pnpm", "--config.verify-deps-before-run=false", "kindred", "up"]

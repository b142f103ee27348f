// The options of gunicorn 27.0.1 and uvicorn 0.54.0, as their own parsers list them. tools/test-all.sh foreign compares
// these lists with the newest releases.

/** Flags with a value, and flags without one. */
export interface FlagNames {
  readonly values: readonly string[];
  readonly switches: readonly string[];
}

function words(text: string): string[] {
  return text.trim().split(/\s+/);
}

export const GUNICORN_FLAGS: FlagNames = {
  values: words(`
    -c --config -b --bind --backlog -w --workers -k --worker-class --threads --worker-connections --max-requests
    --max-requests-jitter -t --timeout --graceful-timeout --keep-alive --limit-request-line --limit-request-fields
    --limit-request-field_size --reload-engine --reload-extra-file --chdir -e --env -p --pid --worker-tmp-dir -u --user
    -g --group -m --umask --forwarded-allow-ips --access-logfile --access-logformat --error-logfile --log-file
    --log-level --logger-class --log-config --log-config-json --log-syslog-to --log-syslog-prefix
    --log-syslog-facility --statsd-host --dogstatsd-tags --statsd-prefix -n --name --pythonpath --paste --paster
    --proxy-allow-from --protocol --uwsgi-allow-from --keyfile --certfile --ssl-version --cert-reqs --ca-certs --ciphers
    --http-protocols --http2-cleartext --http2-max-concurrent-streams --http2-initial-window-size
    --http2-max-frame-size --http2-max-header-list-size --paste-global --forwarder-headers --header-map --asgi-loop
    --asgi-lifespan --asgi-disconnect-grace-period --websocket-max-message-size --http-parser --root-path --dirty-app
    --dirty-workers --dirty-timeout --dirty-threads --dirty-graceful-timeout --control-socket --control-socket-mode`),
  switches: words(`
    -h --help -v --version --reload --spew --check-config --print-config --preload --no-sendfile --reuse-port -D --daemon
    --initgroups --disable-redirect-access-to-syslog --capture-output --log-syslog -R --enable-stdio-inheritance
    --enable-backlog-metric --proxy-protocol --suppress-ragged-eofs --do-handshake-on-connect --permit-obsolete-folding
    --strip-header-spaces --permit-unconventional-http-method --permit-unconventional-http-version
    --casefold-http-method --no-control-socket`),
};

export const GUNICORN_SETTINGS: readonly string[] = words(`
  config wsgi_app bind backlog workers worker_class threads worker_connections max_requests max_requests_jitter timeout
  graceful_timeout keepalive limit_request_line limit_request_fields limit_request_field_size reload reload_engine
  reload_extra_files spew check_config print_config preload_app sendfile reuse_port chdir daemon raw_env pidfile
  worker_tmp_dir user group umask initgroups tmp_upload_dir secure_scheme_headers forwarded_allow_ips accesslog
  disable_redirect_access_to_syslog access_log_format errorlog loglevel capture_output logger_class logconfig
  logconfig_dict logconfig_json syslog_addr syslog syslog_prefix syslog_facility enable_stdio_inheritance statsd_host
  dogstatsd_tags statsd_prefix enable_backlog_metric proc_name default_proc_name pythonpath paste on_starting on_reload
  when_ready pre_fork post_fork post_worker_init worker_int worker_abort pre_exec pre_request post_request child_exit
  worker_exit nworkers_changed on_exit ssl_context proxy_protocol proxy_allow_ips protocol uwsgi_allow_ips keyfile
  certfile ssl_version cert_reqs ca_certs suppress_ragged_eofs do_handshake_on_connect ciphers http_protocols
  http2_cleartext http2_max_concurrent_streams http2_initial_window_size http2_max_frame_size http2_max_header_list_size
  raw_paste_global_conf permit_obsolete_folding strip_header_spaces permit_unconventional_http_method
  permit_unconventional_http_version casefold_http_method forwarder_headers header_map asgi_loop asgi_lifespan
  asgi_disconnect_grace_period websocket_max_message_size http_parser root_path dirty_apps dirty_workers dirty_timeout
  dirty_threads dirty_graceful_timeout on_dirty_starting dirty_post_fork dirty_worker_init dirty_worker_exit
  control_socket control_socket_mode control_socket_disable`);

export const UVICORN_FLAGS: FlagNames = {
  values: words(`
    --host --port --uds --fd --reload-dir --reload-include --reload-exclude --reload-delay --workers --loop --http --ws
    --ws-max-size --ws-max-queue --ws-ping-interval --ws-ping-timeout --ws-per-message-deflate --lifespan --interface
    --env-file --log-config --log-level --forwarded-allow-ips --root-path --limit-concurrency --backlog
    --limit-max-requests --limit-max-requests-jitter --timeout-keep-alive --timeout-graceful-shutdown
    --timeout-worker-healthcheck --ssl-keyfile --ssl-certfile --ssl-keyfile-password --ssl-version --ssl-cert-reqs
    --ssl-ca-certs --ssl-ciphers --header --app-dir --h11-max-incomplete-event-size`),
  switches: words(`
    --help --version --reload --http2 --access-log --no-access-log --use-colors --no-use-colors --proxy-headers
    --no-proxy-headers --server-header --no-server-header --date-header --no-date-header --reset-contextvars --factory`),
};

/** The hooks of gunicorn.conf.py, which workers call, or tell why they do not. */
export const HOOKS =
  /^(?:on_(?:starting|reload|exit)|when_ready|pre_(?:fork|exec|request)|post_(?:fork|worker_init|request)|worker_(?:int|abort|exit)|child_exit|nworkers_changed)$/;

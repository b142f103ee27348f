#!/usr/bin/php-cgi
<?php
header("Content-Type: application/json");
setcookie("seen", "1");
echo json_encode(["get" => $_GET, "post" => $_POST, "self" => $_SERVER["PHP_SELF"], "info" => $_SERVER["PATH_INFO"] ?? null]);
